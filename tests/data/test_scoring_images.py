"""The images that score candidates, written for machines that do not have the data set."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.helpers.tiny import small_splits
from tests.helpers.tiny_experiment import CANDIDATES, finished
from trionet_nni.data.scoring_images import ScoringImages, read_scoring_images, write_scoring_images
from trionet_nni.errors import InputError
from trionet_nni.experiment.open import open_run
from trionet_nni.files.atomic import write_tensors
from trionet_nni.supernet.evaluator import Evaluator


def test_they_are_the_same_afterwards(tmp_path: Path) -> None:
    before, path = ScoringImages.of(small_splits()), tmp_path / "images.safetensors"
    write_scoring_images(before, path)
    after = read_scoring_images(path)
    assert after.classes == before.classes == 10
    for old, new in ((before.search, after.search), (before.recalibration, after.recalibration)):
        assert torch.equal(old.labels, new.labels) and torch.equal(old.images, new.images)
        assert torch.equal(old.normalized(slice(0, 8)), new.normalized(slice(0, 8)))


def test_an_evaluation_needs_nothing_else_of_the_data(tmp_path: Path) -> None:
    """The same number as from the data set; here there is neither data nor cache."""
    run = open_run(finished())
    path = tmp_path / "images.safetensors"
    write_scoring_images(ScoringImages.of(small_splits()), path)
    config = run.config.model_copy(
        update={"data": run.config.data.model_copy(update={"root": str(tmp_path / "gone")})}
    )
    evaluator = Evaluator(config, run.supernet, tmp_path / "cache", images=path)
    for architecture in CANDIDATES:
        known, found = run.results.get(architecture.hash), evaluator.evaluate(architecture)
        assert known is not None and (found.loss, found.accuracy) == (known.loss, known.accuracy)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.safetensors"
    write_tensors(path, {"mean": torch.zeros(3)})
    with pytest.raises(InputError, match=r"images.safetensors: found \[.mean.\], allowed: "):
        read_scoring_images(path)
