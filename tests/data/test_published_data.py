"""The paper's five small data sets, read from trees in their true formats."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.datasets import Flowers102, cifar

from tests.helpers.published_data import WRITERS
from trionet_nni.data import load_splits
from trionet_nni.data.registry import DATASETS
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig

CLASSES, IMAGES = 3, 6


@pytest.fixture(autouse=True)
def _other_labels(monkeypatch):
    """torchvision compares some files with the published ones; ours are smaller."""
    monkeypatch.setattr(Flowers102, "_check_integrity", lambda self: True)
    monkeypatch.setattr(cifar, "check_integrity", lambda path, md5: Path(path).exists())


def config(name, root, **changes):
    settings = {"image_size": 32, "search_images": 4, "recalibration_images": 4, **changes}
    return DataConfig(name=name, root=str(root), **settings)


def test_every_published_data_set_is_written_here():
    assert set(WRITERS) == set(DATASETS) - {"digits", "folder"}


@pytest.mark.parametrize("name", WRITERS)
def test_splits_of_the_true_format(name, tmp_path):
    WRITERS[name](tmp_path / "data", CLASSES, IMAGES)
    splits = load_splits(config(name, tmp_path / "data"), tmp_path / "cache")
    assert (splits.classes, splits.channels, splits.image_size) == (CLASSES, 3, 32)
    assert set(splits.test.labels.tolist()) == set(range(CLASSES))
    given = set(splits.test.indices.tolist())
    for part in (splits.train, splits.recalibration, splits.search):
        assert not given & set(part.indices.tolist())
    assert len(splits.full_train) == len(splits.train) + 4


@pytest.mark.parametrize("name", [name for name in WRITERS if not name.startswith("cifar")])
def test_labels_are_those_of_the_pictures(name, tmp_path):
    """A picture's class is what its file, its list or its number says."""
    WRITERS[name](tmp_path, CLASSES, IMAGES)
    source = DATASETS[name].open(config(name, tmp_path))
    assert source.files is not None and source.labels is not None
    pixels, labels = source.read()
    assert pixels.shape == (len(source.files), 3, 32, 32) and torch.equal(labels, source.labels)
    for path, label in zip(source.files, labels.tolist(), strict=True):
        if name in ("caltech-101", "cub-2010", "cub-2011"):
            assert path.parent.name == (source.class_names[label])
        else:
            number = int(path.stem.removeprefix("image_").rpartition("_")[2]) - (name == "flowers-102")
            assert label == number % CLASSES


@pytest.mark.parametrize("name", ["cifar-10", "cifar-100"])
@pytest.mark.parametrize("size", [32, 16])
def test_cifars_pictures_keep_their_labels(name, size, tmp_path):
    WRITERS[name](tmp_path, CLASSES, IMAGES)
    source = DATASETS[name].open(config(name, tmp_path, image_size=size))
    pixels, labels = source.read()
    assert pixels.shape == (2 * CLASSES * IMAGES, 3, size, size) and pixels.dtype == torch.uint8
    assert source.train_count == CLASSES * IMAGES
    assert labels.tolist() == [number % CLASSES for number in range(2 * CLASSES * IMAGES)]
    if size == 32:
        assert pixels[:, 0, 0, 0].tolist() == list(range(2 * CLASSES * IMAGES))


def test_a_pickle_that_is_not_the_published_one_is_not_opened(tmp_path, monkeypatch):
    WRITERS["cifar-10"](tmp_path, CLASSES, IMAGES)
    monkeypatch.undo()
    with pytest.raises(InputError, match="found no readable cifar-10"):
        DATASETS["cifar-10"].open(config("cifar-10", tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat_1 1 1\n", "line 1: found 'cat_1 1 1'"),
        ("cat_1 0 1 1\n", "line 1: found 'cat_1 0 1 1'"),
        ("../cat_1 1 1 1\n", "found '../cat_1 1 1 1'"),
        ("cat_1 9 1 1\n", "allowed: from 1 on, none left out"),
    ],
)
def test_lists_of_pets_that_do_not_fit(tmp_path, text, message):
    WRITERS["oxford-pets"](tmp_path, CLASSES, IMAGES)
    (tmp_path / "oxford-iiit-pet" / "annotations" / "test.txt").write_text(text)
    with pytest.raises(InputError) as caught:
        DATASETS["oxford-pets"].open(config("oxford-pets", tmp_path))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_caltechs_split_follows_the_seed_and_leaves_the_background_out(tmp_path):
    WRITERS["caltech-101"](tmp_path, CLASSES, 20)  # 40 pictures a class
    first, again, other = (
        DATASETS["caltech-101"].open(config("caltech-101", tmp_path, seed=seed)) for seed in (0, 0, 1)
    )
    assert first.train_count == 30 * CLASSES and len(first.files) == 40 * CLASSES
    assert first.files == again.files != other.files
    assert not any("BACKGROUND" in str(path) for path in first.files)


@pytest.mark.parametrize("name", WRITERS)
def test_a_missing_part_is_one_line(name, tmp_path):
    with pytest.raises(InputError) as caught:
        DATASETS[name].open(config(name, tmp_path))
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
    with pytest.raises(InputError, match=r"data\.root: found nothing"):
        DATASETS[name].open(DataConfig(name=name))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("images.txt", "1 nowhere.jpg\n", "image: found none"),
        ("image_class_labels.txt", "1 99\n", "found class '99'"),
        ("train_test_split.txt", "1 7\n", "split '7'"),
        ("classes.txt", "", "empty list"),
    ],
)
def test_lists_of_birds_that_do_not_fit(tmp_path, file, text, message):
    WRITERS["cub-2011"](tmp_path, CLASSES, IMAGES)
    (tmp_path / "CUB_200_2011" / file).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        DATASETS["cub-2011"].open(config("cub-2011", tmp_path))
    assert "\n" not in str(caught.value)
