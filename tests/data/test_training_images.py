"""The images that finalists are trained on, written for machines that do not have the data set."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.helpers.tiny import small_splits
from trionet_nni.data.folds import fold
from trionet_nni.data.scoring_images import ScoringImages, write_scoring_images
from trionet_nni.data.training_images import read_training_images, write_training_images
from trionet_nni.errors import InputError


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_division_is_the_same_afterwards(tmp_path: Path, number: int) -> None:
    before, path = small_splits(), tmp_path / "training.safetensors"
    write_training_images(before, path)
    after = read_training_images(path)
    assert (after.classes, after.channels, after.image_size) == (10, before.channels, before.image_size)
    for old, new in zip(fold(before, number, 7), fold(after, number, 7), strict=True):
        assert len(old) == len(new) > 0
        assert torch.equal(old.labels, new.labels) and torch.equal(old.images, new.images)
        assert torch.equal(old.normalized(slice(0, 8)), new.normalized(slice(0, 8)))


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.safetensors"
    write_scoring_images(ScoringImages.of(small_splits()), path)
    with pytest.raises(InputError, match=r"images.safetensors: found .*recalibration.*, allowed: .*train"):
        read_training_images(path)
