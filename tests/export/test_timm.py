"""timm makes, loads, adapts and dismantles the project's networks like its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import trionet_nni
from tests.helpers.checkout import ROOT
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.export.load import load
from trionet_nni.export.models import list_models
from trionet_nni.export.searched import searched_names

timm = pytest.importorskip("timm")
trionet_nni.register_with_timm()
NAMES = sorted(timm.list_models("trionet_*"))
BY_HAND = sorted(set(NAMES) - {f"trionet_{name}" for name in searched_names()})


@pytest.fixture
def shared(network_folder: Path, tmp_path: Path) -> Path:
    """A network as `trionet push` would send it."""
    assert main(["push", str(network_folder), "--folder", str(tmp_path / "shared")]) == 0
    return tmp_path / "shared"


def test_timm_knows_every_name() -> None:
    assert [name.removeprefix("trionet_") for name in NAMES] == sorted(list_models())


@pytest.mark.parametrize("name", BY_HAND)
def test_a_name_is_a_model_of_timms_kind(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(
            name, num_classes=7, in_chans=1, img_size=64, drop_rate=0.1, drop_path_rate=0.2
        )
        x = torch.empty(2, 1, 64, 64)
        maps = model.forward_features(x)
        assert maps.shape[1] == model.num_features and model.forward_head(maps).shape == (2, 7)
        assert model.forward_head(maps, pre_logits=True).shape == (2, model.num_features)
        features = timm.create_model(name, features_only=True, out_indices=(1, 3))
        shapes = [(one.shape[1], 64 // one.shape[2]) for one in features(torch.empty(1, 3, 64, 64))]
    assert shapes == list(
        zip(features.feature_info.channels(), features.feature_info.reduction(), strict=True)
    )
    assert model.pretrained_cfg["classifier"] == "classifier" and model.num_classes == 7
    model.reset_classifier(3)
    assert model.get_classifier().out_features == model.num_classes == 3
    assert all(block.survival == 0.8 for block in model.modules() if hasattr(block, "survival"))


def test_what_was_pushed_is_the_network_itself(network_folder: Path, shared: Path) -> None:
    own = load(network_folder)
    model = timm.create_model(f"local-dir:{shared}", pretrained=True).eval()
    see = own.preprocess
    x = torch.randn(2, see.channels, see.image_size, see.image_size)
    assert torch.equal(model(x), own(x))
    ours = trionet_nni.create_model(shared)
    assert torch.equal(ours(x), own(x)) and ours.classes == own.classes
    config = timm.data.resolve_model_data_config(model)
    assert config["input_size"] == (see.channels, see.image_size, see.image_size)
    assert tuple(config["mean"]) == see.mean and tuple(config["std"]) == see.std
    assert config["crop_pct"] == see.margin


def test_weights_fit_other_channels_classes_and_sizes(network_folder: Path, shared: Path) -> None:
    own = load(network_folder)
    see = own.preprocess
    larger = 2 * see.image_size
    model = timm.create_model(
        f"local-dir:{shared}", pretrained=True, num_classes=3, in_chans=see.channels, img_size=larger
    ).eval()
    x = torch.randn(2, see.channels, larger, larger)
    torch.testing.assert_close(model.forward_features(x), own.forward_features(x), atol=1e-4, rtol=1e-4)
    assert model(x).shape == (2, 3)
    other = timm.create_model(f"local-dir:{shared}", pretrained=True, in_chans=3)
    assert other(torch.randn(1, 3, see.image_size, see.image_size)).shape == (1, len(own.classes))
    features = timm.create_model(f"local-dir:{shared}", pretrained=True, features_only=True).eval()
    last = features(torch.randn(1, see.channels, see.image_size, see.image_size))[-1]
    assert last.shape[1] == own.num_features


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="architecture: found none"):
        timm.create_model("trionet")
    with pytest.raises(InputError, match="global_pool: found 'max', allowed: avg"):
        timm.create_model("trionet_axial_26", global_pool="max")
    with pytest.raises(InputError, match=r"img_size: found \(64, 32\), allowed: a square"):
        timm.create_model("trionet_axial_26", img_size=(64, 32))


def test_a_script_of_others_finds_the_names(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, timm\nprint(__name__, timm.create_model(sys.argv[1], num_classes=2).num_classes)\n"
        "assert not {'nni', 'pytorch_lightning'} & set(sys.modules)"
    )
    command = [sys.executable, "-m", "trionet_nni.export.with_timm", str(script), "trionet_resnet_18"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "__main__ 2\n", done.stderr
