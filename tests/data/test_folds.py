"""Divisions of the images of a search: the same images, each measured on once before any is twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trionet_nni.data import ImageSet, Splits
from trionet_nni.data.folds import fold
from trionet_nni.data.stores import MemoryStore

PIXELS = MemoryStore(torch.arange(64, dtype=torch.uint8)[:, None, None, None])
NOTHING = ImageSet(
    PIXELS, torch.tensor([], dtype=torch.int64), torch.tensor([]), torch.ones(1), torch.ones(1)
)


def image_set(rows: Tensor) -> ImageSet:
    return ImageSet(PIXELS, rows, rows % 10, torch.tensor([0.5]), torch.tensor([0.25]))


def splits(training: int, searching: int) -> Splits:
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    train, search = order[:training], order[training : training + searching]
    return Splits(image_set(train), NOTHING, image_set(search), NOTHING, NOTHING, 10, 1, 1, (), {})


@given(
    training=st.integers(2, 40),
    searching=st.integers(1, 24),
    number=st.integers(1, 9),
    seed=st.integers(0, 5),
)
@settings(deadline=None)
def test_every_division_is_one_of_the_same_images(
    training: int, searching: int, number: int, seed: int
) -> None:
    data = splits(training, searching)
    train, search = fold(data, number, seed)
    together = torch.cat([train.indices, search.indices]).tolist()
    assert sorted(together) == sorted(data.train.indices.tolist() + data.search.indices.tolist())
    assert len(train) >= training and len(search) == (
        searching if number == 1 else min(searching, training)
    )
    for images in (train, search):
        assert torch.equal(images.labels, images.indices % 10)
        assert images.store is PIXELS and torch.equal(images.mean, data.train.mean)


@pytest.mark.parametrize("searching", [4, 8, 13])
def test_no_image_is_measured_on_twice_as_long_as_there_are_others(searching: int) -> None:
    data = splits(40, searching)
    divisions = 1 + 40 // searching
    measured = torch.cat([fold(data, number, 3)[1].indices for number in range(1, divisions + 1)])
    assert len(set(measured.tolist())) == len(measured)


def test_the_first_is_the_experiment_s_own_and_a_seed_gives_the_others() -> None:
    data = splits(40, 8)
    assert fold(data, 1, 5) == (data.train, data.search)
    same, other = fold(data, 2, 5)[1].indices, fold(data, 2, 6)[1].indices
    assert torch.equal(fold(data, 2, 5)[1].indices, same) and not torch.equal(same, other)
    unread = replace(data, test=None, full_train=None, recalibration=None)  # type: ignore[arg-type]
    assert torch.equal(fold(unread, 2, 5)[1].indices, same)
