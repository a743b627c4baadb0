"""Networks by name or folder: the right shape for any task, and a folder's weights where they fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import trionet_nni
from tests.helpers.checkout import ROOT
from trionet_nni.errors import InputError
from trionet_nni.export.load import load
from trionet_nni.export.models import Backbone, create_model, list_models
from trionet_nni.export.searched import searched_names


@pytest.mark.parametrize("name", sorted(set(list_models()) - set(searched_names())))
def test_every_name_is_a_network(name: str) -> None:
    with torch.device("meta"):
        network = create_model(name, num_classes=7, in_chans=1, image_size=64)
        assert network(torch.empty(2, 1, 64, 64)).shape == (2, 7)
        maps = create_model(name, features_only=True)(torch.empty(1, 3, 224, 224))
    assert [tuple(one.shape[2:]) for one in maps] == [(56, 56), (28, 28), (14, 14), (7, 7)]


def test_a_folder_as_it_was_trained_is_what_load_gives(network_folder: Path) -> None:
    network, own = trionet_nni.create_model(network_folder), load(network_folder)
    assert not network.training and network.classes == own.classes  # type: ignore[union-attr]
    assert all(torch.equal(value, own.state_dict()[name]) for name, value in network.state_dict().items())


def test_a_folder_for_another_task_keeps_what_fits(network_folder: Path) -> None:
    own = load(network_folder)
    channels, size = own.preprocess.channels, own.preprocess.image_size
    network = create_model(network_folder, num_classes=3, image_size=2 * size).eval()
    x = torch.randn(2, channels, 2 * size, 2 * size)
    assert network(x).shape == (2, 3)
    kept = {name: value for name, value in network.state_dict().items() if "table" not in name}
    for name, value in kept.items():
        assert name.startswith("classifier") or torch.equal(value, own.state_dict()[name]), name
    # Tables that were fitted once are what the network itself does with larger images.
    features = network.forward_features(x)  # type: ignore[operator]
    torch.testing.assert_close(features, own.forward_features(x), atol=1e-4, rtol=1e-4)
    blank = create_model(network_folder, pretrained=False)
    assert not torch.equal(blank.state_dict()["stem.0.weight"], own.state_dict()["stem.0.weight"])
    assert (
        create_model(network_folder, in_chans=channels + 2)(torch.randn(2, channels + 2, 28, 28)).ndim == 2
    )


def test_the_classifier_goes_and_a_new_one_comes(network_folder: Path) -> None:
    network, own = create_model(network_folder, num_classes=0), load(network_folder)
    channels, size = own.preprocess.channels, own.preprocess.image_size
    x = torch.randn(2, channels, size, size)
    pooled = own.forward_features(x).mean((2, 3))
    torch.testing.assert_close(network.eval()(x), pooled)
    own.reset_classifier(4)
    assert own(x).shape == (2, 4) and own.get_classifier().in_features == own.num_features  # type: ignore[union-attr]
    backbone = create_model(network_folder, features_only=True)
    assert isinstance(backbone, Backbone)
    maps = backbone.eval()(x)
    assert [one.shape[1] for one in maps] == list(backbone.channels)
    torch.testing.assert_close(maps[-1].mean((2, 3)), pooled)


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match=r"'axial-27', allowed: .*nearest is axial-26"):
        create_model("axial_27")
    with pytest.raises(InputError, match="pretrained: found True for 'axial_26'"):
        create_model("axial_26", pretrained=True)


def test_neither_nni_nor_lightning_is_needed_and_torch_hub_finds_it() -> None:
    code = (
        "import sys, torch\n"
        f"hub = torch.hub.load({str(ROOT)!r}, 'create_model', 'resnet_18', num_classes=2, source='local')\n"
        "assert hub(torch.randn(2, 3, 32, 32)).shape == (2, 2)\n"
        "sys.exit(any(name in sys.modules for name in ('nni', 'pytorch_lightning')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
