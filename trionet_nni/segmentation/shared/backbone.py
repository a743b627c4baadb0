"""The backbone of a run: any TrioNet or baseline, with or without a classifier's weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.data.seeding import seed_of
from trionet_nni.errors import InputError, nearest
from trionet_nni.export.card import read_card
from trionet_nni.export.weights import FILES
from trionet_nni.files.weights import check_weights, kinds, read_weights
from trionet_nni.network.trionet import TrioNet
from trionet_nni.segmentation.shared.config import BackboneConfig

# Of ImageNet's pixels in [0, 1]; an exported folder's own where it has weights.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """A network without classifier, and how its input is normalized.

    Attributes:
        network: `features`, `channels` and `strides` are what a head needs.
        image_size: side of the training images of its weights; None for the network's own.
        mean, std: of pixels in [0, 1], float32 [3].
    """

    network: TrioNet
    image_size: int | None
    mean: Tensor
    std: Tensor

    def normalize(self, pixels: Tensor) -> Tensor:
        """Pixels, uint8 [..., 3, H, W], to network input, float32, on the pixels' device."""
        mean, std = (x[:, None, None].to(pixels.device) for x in (self.mean, self.std))
        return (pixels.float() / 255 - mean) / std


def build_backbone(config: BackboneConfig, seed: int = 0) -> Backbone:
    """The backbone with its start weights; the global generator stays as it was.

    Args:
        seed: of the weights that come from no file.

    Raises:
        InputError: one line about an unusable network or weights file.
    """
    architecture, size, mean, std = _described(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "backbone"))
        network = TrioNet(architecture, classes=None, image_size=size, deep_stem=config.stem == "deep")
    if config.weights != "none":
        _load(network, _weights_file(config))
    return Backbone(network, size, torch.tensor(mean), torch.tensor(std))


def described(backbone: Backbone, deep_stem: bool) -> dict[str, Any]:
    """All that `restored` needs, in JSON's types."""
    return {
        "architecture": backbone.network.architecture.to_dict(),
        "image_size": backbone.image_size,
        "deep_stem": deep_stem,
        "mean": backbone.mean.tolist(),
        "std": backbone.std.tolist(),
    }


def restored(document: Mapping[str, Any]) -> Backbone:
    """A backbone for weights that follow.

    Raises:
        InputError, KeyError, TypeError: the document is another one.
    """
    network = TrioNet(
        Architecture.from_dict(document["architecture"]),
        classes=None,
        image_size=document["image_size"],
        deep_stem=document["deep_stem"],
    )
    mean, std = (torch.tensor(document[name]) for name in ("mean", "std"))
    return Backbone(network, document["image_size"], mean, std)


def named_architecture(network: str) -> Architecture:
    """A baseline, an architecture file, or the architecture of an exported folder.

    Raises:
        InputError: there is none of that name.
    """
    if network in BASELINES:
        return BASELINES[network]
    path = Path(network)
    if path.is_dir():
        path = path / "architecture.json"
    if not path.exists():
        names = f"{', '.join(BASELINES)}{nearest(network, BASELINES)}"
        allowed = f"an exported folder, an architecture file or one of {names}"
        raise InputError(f"backbone.network: found {network!r}, allowed: {allowed}")
    return Architecture.load(path)


def _described(
    config: BackboneConfig,
) -> tuple[Architecture, int | None, tuple[float, ...], tuple[float, ...]]:
    """Architecture, training size, mean and deviation."""
    architecture, size = named_architecture(config.network), config.image_size
    folder = Path(config.network)
    if config.network in BASELINES or not (folder / "card.json").exists():
        return architecture, size, _MEAN, _STD
    card = read_card(folder)
    if card.channels != 3 and config.weights != "none":
        raise InputError(
            f"{folder}: backbone.weights: found a network of {card.channels}-channel images, allowed: 3"
        )
    size = size or card.image_size
    if config.weights == "none":
        return architecture, size, _MEAN, _STD
    return architecture, size, tuple(card.mean), tuple(card.std)


def _weights_file(config: BackboneConfig) -> Path:
    folder = Path(config.network)
    if config.weights not in FILES:
        return Path(config.weights)
    if not (folder / "architecture.json").exists():
        raise InputError(
            f"backbone.weights: found {config.weights!r} without an exported folder as backbone.network, "
            "allowed: none, or a safetensors file"
        )
    return folder / FILES[config.weights]


def _load(network: TrioNet, path: Path) -> None:
    """Take over everything but the classifier.

    Raises:
        InputError: the file is missing or damaged, or another network's.
    """
    if not path.exists():
        allowed = f"none, {', '.join(FILES)} of an exported folder, or a safetensors file"
        raise InputError(f"backbone.weights: found no file {path}, allowed: {allowed}")
    state = read_weights(path)
    own = {name: tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    check_weights(path, own, kinds(network))
    network.load_state_dict(own)
