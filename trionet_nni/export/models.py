"""Networks by name or folder, as libraries of models give them; neither NNI nor Lightning is imported."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.baselines import BASELINES, baseline
from trionet_nni.errors import InputError
from trionet_nni.export.card import read_card
from trionet_nni.export.inherit import inherit
from trionet_nni.export.load import architecture_of, load
from trionet_nni.export.searched import has_weights, searched_folder, searched_names
from trionet_nni.export.weights import chosen_weights
from trionet_nni.network.trionet import TrioNet


def list_models() -> list[str]:
    """Names that `create_model` knows beside folders.

    The hand-designed networks of the paper's tables, and those that this project's own searches found.
    """
    return [*(name.replace("-", "_") for name in BASELINES), *searched_names()]


def create_model(
    model: str | Path,
    *,
    pretrained: bool | None = None,
    num_classes: int | None = None,
    in_chans: int | None = None,
    image_size: int | None = None,
    features_only: bool = False,
) -> nn.Module:
    """A network, in training mode unless it is one of a folder exactly as it was trained.

    Args:
        model: a name of `list_models`, an architecture file (.json), an exported folder, or a network
            on Hugging Face's hub, "hf-hub:USER/NAME", which `trionet push` brought there.
        pretrained: the best measured weights, of a folder or of a searched network that has some (their
            default); hand-designed networks have none.
        num_classes: outputs; 0 leaves the classifier out. A folder's own, or 1,000, when None.
        in_chans: channels of the images. A folder's own, or 3, when None.
        image_size: side of the images in pixels, which axial tables are made or fitted for. A folder's own,
            or the space's, when None.
        features_only: give the map behind every stage instead of logits; see `Backbone`.

    Raises:
        InputError: there is no such network, or no weights.
        RunFailed: the hub has no such network, or cannot be reached.
    """
    if str(model).startswith("hf-hub:"):
        from trionet_nni.export.hub import fetch

        model = fetch(str(model))
    found = searched_folder(str(model))
    if found is not None:
        model, pretrained = found, has_weights(found) if pretrained is None else pretrained
    if Path(model).is_dir():
        network = _of_folder(Path(model), pretrained is not False, num_classes, in_chans, image_size)
    else:
        if pretrained:
            raise InputError(
                f"pretrained: found True for {str(model)!r}, allowed: for networks with weights"
            )
        classes = 1000 if num_classes is None else num_classes or None
        channels = 3 if in_chans is None else in_chans
        architecture = _architecture(str(model))
        network = TrioNet(architecture, classes=classes, channels=channels, image_size=image_size)
    return Backbone(network) if features_only else network


def _architecture(name: str) -> Architecture:
    return Architecture.load(name) if name.endswith(".json") else baseline(name.replace("_", "-"))


def _of_folder(
    folder: Path, pretrained: bool, num_classes: int | None, in_chans: int | None, image_size: int | None
) -> TrioNet:
    card = read_card(folder)
    task = (
        card.classes if num_classes is None else num_classes,
        card.channels if in_chans is None else in_chans,
        card.image_size if image_size is None else image_size,
    )
    if pretrained and task == (card.classes, card.channels, card.image_size):
        return load(folder)
    classes, channels, size = task
    network = TrioNet(
        architecture_of(card, folder / "architecture.json"),
        classes=classes or card.classes,
        channels=channels,
        image_size=size,
    )
    if pretrained:
        inherit(network, chosen_weights(folder, card)[1], same_classes=classes in (0, card.classes))
    if not classes:
        network.reset_classifier(0)
    return network


class Backbone(nn.Module):
    """A network that gives its maps.

    Attributes:
        channels: of the map behind every stage.
        strides: image pixels a position of each.

    Shape: as `TrioNet.features`, a list.
    """

    def __init__(self, network: TrioNet) -> None:
        super().__init__()
        self.network = network
        self.network.reset_classifier(0)
        self.channels, self.strides = network.channels, network.strides

    def forward(self, x: Tensor) -> list[Tensor]:
        """The map behind every stage."""
        return list(self.network.features(x))
