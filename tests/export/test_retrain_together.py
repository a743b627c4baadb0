"""A network that several processes retrain, each on its share of every batch."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests.helpers import retraining
from tests.helpers.tiny import RECIPE, small_splits
from trionet_nni.architecture.cost import CostModel
from trionet_nni.errors import InputError, RunFailed
from trionet_nni.export.card import read_card
from trionet_nni.export.load import architecture_of, load
from trionet_nni.export.retrain import finetune, retrain
from trionet_nni.export.settings import read_config
from trionet_nni.settings.changes import parse_changes
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.batches import StepBatches
from trionet_nni.training.checkpoints import read_checkpoint
from trionet_nni.training.initial import initial_network
from trionet_nni.training.recipe import optimizer, schedule
from trionet_nni.training.share import Share, check_shares
from trionet_nni.training.together import run_together

TOGETHER = parse_changes(["retrain.devices=2", "retrain.steps=6", "retrain.dropout=0"])


def checkpoint(folder: Path) -> dict[str, torch.Tensor]:
    """Weights and BN statistics of the run of seed 0."""
    state = read_checkpoint(folder / "runs" / "retrain-seed0" / "last.ckpt")["state_dict"]
    return {name.removeprefix("network."): value for name, value in state.items() if "network." in name}


def test_a_step_is_that_of_the_mean_gradient_with_batch_norm_over_each_share(network_folder: Path) -> None:
    done = retrain(network_folder, progress=False, stop_after_steps=1, changes=TOGETHER)
    assert (done["steps"], done["complete"], done["of"]) == (1, False, 6)
    splits, recipe = small_splits(), read_config(network_folder / "retrain.yml").retrain
    assert recipe.devices == 2
    task = CostModel(splits.classes, splits.channels, splits.image_size)
    card = read_card(network_folder)
    network = initial_network(architecture_of(card, network_folder / "architecture.json"), recipe, task)
    replicas = [copy.deepcopy(network) for _ in range(2)]
    for rank, replica in enumerate(replicas):
        images = splits.full_train
        batches = StepBatches(images, recipe.batch_size, recipe.augment, recipe.seed, share=Share(rank, 2))
        x, labels = batches[0]
        assert len(labels) == recipe.batch_size // 2
        loss = F.cross_entropy(replica.train()(x), labels, label_smoothing=recipe.label_smoothing)
        loss.backward()
    for parameter, *both in zip(network.parameters(), *(one.parameters() for one in replicas), strict=True):
        parameter.grad = torch.stack([one.grad for one in both]).mean(0)
    sgd = optimizer(recipe, network.parameters())
    schedule(recipe, sgd, batches.steps_per_epoch)
    sgd.step()
    found = checkpoint(network_folder)
    for name, value in network.named_parameters():
        torch.testing.assert_close(found[name], value.detach(), atol=1e-6, rtol=1e-5, msg=name)
    for name, value in replicas[0].named_buffers():  # the first process's
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.slow(seconds=90)
def test_one_that_is_killed_is_started_again_and_the_network_is_the_same(
    network_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(network_folder, tmp_path / "other"))
    expected = retrain(network_folder, progress=False, changes=TOGETHER)
    assert retrain(other, progress=False, stop_after_steps=2, changes=TOGETHER)["steps"] == 2
    found = run_together(2, "retrain.devices", retraining.killed_once, other, 1, 4)
    assert (other / "killed").exists()
    assert found["resumed_from"] == 2
    assert {key: found[key] for key in ("accuracy", "loss", "steps")} == {
        key: expected[key] for key in ("accuracy", "loss", "steps")
    }
    states = [load(folder, "retrained").state_dict() for folder in (network_folder, other)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.slow
def test_it_goes_on_with_another_number_of_processes(network_folder: Path) -> None:
    retrain(network_folder, progress=False, stop_after_steps=2, changes=TOGETHER)
    alone = parse_changes(["retrain.devices=1"])
    assert retrain(network_folder, progress=False, stop_after_steps=4, changes=alone)["resumed_from"] == 2
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "trionet_nni.cli", "retrain", str(network_folder), "--quiet"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Next:") == 1  # of one process
    assert read_card(network_folder).trained["retrained"].steps == 6


@pytest.mark.slow
def test_a_share_without_a_number_ends_all(network_folder: Path) -> None:
    retrain(network_folder, progress=False, stop_after_steps=2, changes=TOGETHER)
    with pytest.raises(RunFailed, match=r"step 4: the loss became NaN or infinite again") as error:
        run_together(2, "retrain.devices", retraining.diverging, network_folder, 1, 3)
    assert "\n" not in str(error.value)


def test_what_cannot_be_shared_is_one_line(network_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, line in (
        ("retrain.devices=3", r"devices: found 3, allowed: a divisor of batch_size \(32\)"),
        ("retrain.devices=32", r"that leaves each 2 images"),
        ("retrain.devices=0", r"devices: found 0"),
    ):
        with pytest.raises(InputError, match=line) as error:
            retrain(network_folder, progress=False, changes=parse_changes([setting]))
        assert "\n" not in str(error.value)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "5")
    with pytest.raises(InputError, match=r"mine: batch_size: found 32, allowed: a multiple of the 5 proc"):
        check_shares(32, "mine")


def test_more_devices_than_cards_are_one_line(
    network_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"finetune\.devices: found 2, allowed: up to the 1 GPUs"):
        finetune(network_folder, progress=False, changes=parse_changes(["finetune.devices=2"]))


def test_devices_are_no_part_of_what_a_run_is_known_by() -> None:
    shared = RecipeConfig(devices=4)
    assert shared.identity() == RecipeConfig().identity() and "devices" not in shared.identity()
    assert RECIPE.devices == 1
