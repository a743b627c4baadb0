"""A segmentation network that several processes train, each on its share of every batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from tests.helpers.shapes import settings, write_shapes
from trionet_nni.errors import InputError
from trionet_nni.segmentation.batches import ExampleBatches
from trionet_nni.segmentation.file import parse_config, read_config
from trionet_nni.segmentation.folder import RunFolder
from trionet_nni.segmentation.registry import build_task
from trionet_nni.segmentation.shared.backbone import build_backbone
from trionet_nni.segmentation.train import train
from trionet_nni.settings.changes import parse_changes
from trionet_nni.training.checkpoints import read_checkpoint
from trionet_nni.training.share import ALONE, Share


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A run's file beside its pictures."""
    write_shapes(tmp_path / "data", train=9, validation=3, size=56)
    path = tmp_path / "run.yml"
    path.write_text(yaml.safe_dump(settings()))
    return path


@pytest.mark.parametrize("world", [2, 4])
def test_shares_put_together_are_the_batch_of_one(file: Path, world: int) -> None:
    config = read_config(file)
    task = build_task(config, build_backbone(config.backbone, 0))

    def batches(share: Share) -> ExampleBatches:
        return ExampleBatches(task, 4, 5, share)

    for step in (0, 3):
        pieces = [batches(Share(rank, world))[step] for rank in range(world)]
        for name, expected in batches(ALONE)[step].items():
            assert torch.equal(torch.cat([piece[name] for piece in pieces]), expected)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    two, one = parse_changes(["devices=2"]), parse_changes(["devices=1"])
    for stop, changes, begin in ((2, two, 0), (3, one, 2)):
        done = train(file, run, progress=False, stop_after_steps=stop, changes=changes)
        assert (done["resumed_from"], done["steps"]) == (begin, stop)
    found = train(file, run, progress=False, changes=two)
    assert (found["resumed_from"], found["steps"], found["complete"]) == (3, 6, True)
    assert found["pictures"] == 3 and RunFolder(run).weights.exists()


@pytest.mark.slow
def test_a_panoptic_run(panoptic_run: Path, tmp_path: Path) -> None:
    changes = parse_changes(["devices=2", "recipe.batch_size=2"])
    done = train(panoptic_run, tmp_path / "run", progress=False, changes=changes)
    assert done["complete"] and "PQ" in done["metrics"]
    state = read_checkpoint(tmp_path / "run" / "last.ckpt")["state_dict"]
    assert all(torch.isfinite(value).all() for value in state.values())


def test_what_cannot_be_shared_is_one_line() -> None:
    line = r"devices: found 3, allowed: a divisor of recipe.batch_size .4."
    with pytest.raises(InputError, match=line):
        parse_config(settings(devices=3), "my.yml")
