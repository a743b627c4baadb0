"""ResNet-18: an Architecture as any other, of blocks that no search space has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor
from torchvision.models import resnet18

import trionet_nni
from spaces import small, tiny, trionet
from tests.helpers.checkout import ROOT
from tests.helpers.tiny import CACHE, digit_folder, small_splits
from trionet_nni.architecture.architecture import Architecture, Basic
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.architecture.cost import CostModel
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.export.card import read_card
from trionet_nni.export.retrain import retrain
from trionet_nni.network.residual import BasicBlock
from trionet_nni.network.trionet import TrioNet, set_survival
from trionet_nni.operators.conv import Conv
from trionet_nni.segmentation.shared.backbone import build_backbone
from trionet_nni.segmentation.shared.config import BackboneConfig

RESNET18 = BASELINES["resnet-18"]
_NAMES = {"conv1": "conv_in", "bn1": "bn_in", "conv2": "conv_out", "bn2": "bn_out"}


def own_name(name: str) -> str:
    """A tensor's name here, from torchvision's."""
    part, _, rest = name.partition(".")
    if part.startswith("layer"):
        block, layer, tensor = rest.split(".", 2)
        return f"stages.{int(part[-1]) - 1}.{block}.{_NAMES.get(layer, 'shortcut')}.{tensor}"
    return f"{ {'conv1': 'stem.0', 'bn1': 'stem.1', 'fc': 'classifier'}[part] }.{rest}"


def test_with_torchvisions_tensors_it_is_torchvisions_network() -> None:
    theirs = resnet18().eval()
    state = {own_name(name): tensor for name, tensor in theirs.state_dict().items()}
    mine = TrioNet(RESNET18).eval()
    mine.load_state_dict(state)  # strict: every name and every shape
    assert sum(p.numel() for p in mine.parameters()) == CostModel()(RESNET18).params == 11_689_512
    images = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        torch.testing.assert_close(mine(images), theirs(images))


def test_every_form_leads_back_to_it(tmp_path: Path) -> None:
    assert Architecture.from_json(RESNET18.to_json()) == RESNET18
    assert Architecture.from_sample("resnet-18", RESNET18.to_sample()) == RESNET18
    assert RESNET18.to_dict()["stages"] == [[{"operator": "basic"}] * 2] * 4
    (tmp_path / "a.json").write_text(RESNET18.to_json())
    assert Architecture.load(tmp_path / "a.json").hash == RESNET18.hash


def test_basic_blocks_are_resnet_18s_alone() -> None:
    with pytest.raises(InputError, match=r"found 'conv', allowed: basic in the space 'resnet-18'"):
        Architecture("resnet-18", ((Conv(0.25, 3),) * 2,) * 4)
    for space in ("trionet", "resnet"):
        with pytest.raises(InputError, match=r"operator: found 'basic', allowed: conv, local, axial in"):
            Architecture(space, ((Basic(),),) * 4)
    with pytest.raises(InputError, match="found 'kernel'"):
        Architecture.from_dict({"space": "resnet-18", "stages": [[{"operator": "basic", "kernel": 3}]] * 4})
    for table in (trionet.TABLE, small.TABLE, tiny.TABLE):
        assert "basic" not in table.operator_names and not table.contains(RESNET18)


def _block() -> tuple[BasicBlock, Tensor]:
    block = TrioNet(RESNET18, classes=None).stages[1][0]
    assert isinstance(block, BasicBlock)
    return block, torch.randn(400, 64, 4, 4)


def test_a_block_starts_as_its_shortcut() -> None:
    block, x = _block()
    assert torch.equal(block(x), torch.relu(block.shortcut(x)))


def test_stochastic_depth_drops_its_branch() -> None:
    block, x = _block()
    torch.nn.init.ones_(block.bn_out.weight)
    branch, shortcut = block.branch(x), block.shortcut(x)
    set_survival(block, 0.5)
    out = block(x)
    passed = torch.isclose(out, torch.relu(branch / 0.5 + shortcut), atol=1e-5).flatten(1).all(1)
    skipped = torch.isclose(out, torch.relu(shortcut), atol=1e-5).flatten(1).all(1)
    assert (passed ^ skipped).all() and 160 < int(passed.sum()) < 240


def test_it_carries_segmentation_heads() -> None:
    network = build_backbone(BackboneConfig(network="resnet-18", stem="deep")).network
    assert (network.channels, network.strides) == ((64, 128, 256, 512), (4, 8, 16, 32))
    maps = network.features(torch.zeros(1, 3, 70, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [(64, 18, 16), (128, 9, 8), (256, 5, 4), (512, 3, 2)]


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """Stanford Cars' file on digits: its recipe with survival, two steps."""
    small_splits()  # decoded for all tests
    shutil.copytree(CACHE, tmp_path / ".cache", dirs_exist_ok=True)
    shipped = ROOT / "experiments" / "stanford-cars.yml"
    settings = yaml.safe_load(shipped.read_text())
    project = settings["tuner"]["classArgs"]
    project["data"] = {"name": "folder", "root": str(digit_folder()), "image_size": 28}
    project["data"] |= {"search_images": 40, "recalibration_images": 32}
    project["retrain"] |= {"steps": 2, "batch_size": 8, "warmup_epochs": 0, "survival": 0.8}
    path = tmp_path / "experiment.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_it_is_trained_by_an_experiments_recipe_and_loaded(experiment: Path, tmp_path: Path) -> None:
    out = tmp_path / "resnet-18"
    command = ["retrain", "--architecture", "resnet-18", "--experiment", str(experiment), "-o", str(out)]
    assert main([*command, "--seed", "1"]) == 0
    result = json.loads((out / "retrain_result.json").read_text())
    assert (result["seed"], result["steps"], result["images"]) == (1, 2, 50)
    card = read_card(out)
    assert (card.name, card.space, card.architecture) == ("resnet-18", "resnet-18", RESNET18.hash)
    assert (card.params, card.operators) == (CostModel(10, 3, 28)(RESNET18).params, [["basic"] * 2] * 4)
    assert "| 1 | 2 | basic |" in (out / "card.md").read_text()
    network = trionet_nni.load(out)
    assert network.architecture == RESNET18
    assert network(torch.zeros(1, 3, 28, 28)).shape == (1, 10)
    (out / "retrained.safetensors").unlink()
    shutil.rmtree(out / "runs")
    retrain(out, seed=1, progress=False)  # what retrain.sh does: export/test_retrain.py
    again = trionet_nni.load(out)
    pairs = zip(network.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_survival_changes_what_is_learnt(experiment: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main(["retrain", "--architecture", "resnet-18", "--experiment", str(experiment), "-o", str(out)])
    dropped = trionet_nni.load(out)
    text = (out / "retrain.yml").read_text()
    assert "survival: 0.8" in text
    shutil.rmtree(out / "runs")
    (out / "retrain.yml").write_text(text.replace("survival: 0.8", "survival: 1.0"))
    retrain(out, progress=False)
    kept = trionet_nni.load(out)
    assert not torch.equal(dropped.stages[3][1].conv_out.weight, kept.stages[3][1].conv_out.weight)
