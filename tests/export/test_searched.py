"""Networks that the project ships: what their cards say is what they do, in `create_model` and in timm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

import trionet_nni
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import load_splits
from trionet_nni.errors import InputError
from trionet_nni.export.card import read_card
from trionet_nni.export.searched import has_weights, searched_folder, searched_names
from trionet_nni.settings.project import DataConfig

trionet_nni.register_with_timm()
_MOST = 5_000_000  # bytes of all of them: they travel in the wheel


def folder(name: str) -> Path:
    found = searched_folder(name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", searched_names())
def test_what_the_card_says(name: str) -> None:
    card = read_card(folder(name))
    architecture = Architecture.load(folder(name) / "architecture.json")
    cost = CostModel(card.classes, card.channels, card.image_size)(architecture)
    assert (cost.flops, cost.params) == (card.flops, card.params)
    assert architecture.hash.startswith(card.architecture)
    assert bool(card.trained) == has_weights(folder(name))
    flops = float(name.rpartition("_")[2].removesuffix("m"))
    assert flops == round(card.flops / 1e6)


@pytest.mark.parametrize("name", searched_names())
def test_create_model_and_timm_give_the_same_network(name: str) -> None:
    card = read_card(folder(name))
    ours = trionet_nni.create_model(name)
    theirs = timm.create_model(f"trionet_{name}", pretrained=has_weights(folder(name)))
    assert {key: value.shape for key, value in ours.state_dict().items()} == {
        key: value.shape for key, value in theirs.state_dict().items()
    }
    if has_weights(folder(name)):
        x = torch.randn(2, card.channels, card.image_size, card.image_size)
        assert torch.equal(ours.eval()(x), theirs.eval()(x))
        assert f"trionet_{name}" in timm.list_pretrained("trionet*")
    else:
        with pytest.raises(InputError, match="weights"):
            trionet_nni.create_model(name, pretrained=True)
    for other in (
        trionet_nni.create_model(name, num_classes=3, in_chans=4, image_size=32),
        timm.create_model(f"trionet_{name}", num_classes=3, in_chans=4, img_size=32),
    ):
        assert other(torch.zeros(2, 4, 32, 32)).shape == (2, 3)


def test_the_digits_network_reaches_what_its_card_says(tmp_path: Path) -> None:
    """On the images that its search and its training never saw."""
    card = read_card(folder("digits_19m"))
    data = DataConfig(name="digits", image_size=card.image_size, seed=card.data["seed"])
    test = load_splits(data, tmp_path).test
    network = trionet_nni.create_model("digits_19m").eval()
    found = card.trained["retrained"]
    assert found.split == "test" and found.images == len(test)
    assert abs(accuracy(network, test.normalized(slice(None)), test.labels) - found.accuracy) <= 1e-3


@torch.inference_mode()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    return float((network(images).argmax(1) == labels).float().mean())


def test_they_are_small_and_none_holds_what_runs() -> None:
    files = [path for name in searched_names() for path in folder(name).iterdir()]
    assert sum(path.stat().st_size for path in files) <= _MOST
    assert {path.suffix for path in files} <= {".json", ".md", ".svg", ".safetensors"}
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_text())
