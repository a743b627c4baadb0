"""Data sets and their division, on real images."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.helpers.checkout import SHARED_DATA
from tests.helpers.tiny import (
    CACHE,
    alikeness,
    digit_folder,
    digits,
    folder_config,
    small_splits,
    write_digits,
)
from trionet_nni.data import Splits, load_splits
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig

PARTS = ("train", "search", "test")
BEFORE = {  # of the image numbers of each part, as 0.1.0 recorded them
    "train": "60a19550",
    "recalibration": "c57bd0de",
    "search": "67396607",
    "test": "3d70b16c",
    "full_train": "f23b47e6",
}


def rows(splits: Splits, name: str) -> set[int]:
    return set(getattr(splits, name).indices.tolist())


def test_splits_are_disjoint_and_whole() -> None:
    splits = digits()
    sets = [rows(splits, name) for name in PARTS]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 5000
    assert rows(splits, "full_train") == set.union(*sets[:2])
    assert [len(s) for s in sets] == [3500, 500, 1000]
    assert len(splits.full_train) == 4000
    assert (splits.classes, splits.channels, splits.image_size) == (10, 1, 28)
    assert splits.test.labels.bincount().tolist() == [100] * 10


@pytest.mark.parametrize("wanted, given", [(256, 256), (5000, 3500)])  # at most all there are
def test_bn_statistics_come_from_training_images(wanted: int, given: int) -> None:
    splits = load_splits(DataConfig(recalibration_images=wanted), CACHE)
    assert rows(splits, "recalibration") <= rows(splits, "train")
    assert len(splits.recalibration) == given == splits.record["splits"]["recalibration"]["images"]
    assert torch.equal(splits.train.indices, digits().train.indices)  # however many they are
    few = load_splits(DataConfig(recalibration_images=wanted, train_images=100), CACHE)
    assert rows(few, "recalibration") <= rows(few, "train") and len(few.recalibration) == 100


def test_a_division_of_before_is_what_it_was() -> None:
    """A supernet is evaluated, and a network trained further, on the images that were kept for it."""
    splits = load_splits(DataConfig(recalibration="held-out"), CACHE)
    sets = [rows(splits, name) for name in ("train", "recalibration", "search", "test")]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 5000
    assert [len(s) for s in sets] == [3244, 256, 500, 1000]
    assert rows(splits, "full_train") == set.union(*sets[:3])
    assert {name: part["sha256"][:8] for name, part in splits.record["splits"].items()} == BEFORE
    for name in ("search", "test"):
        assert torch.equal(getattr(splits, name).indices, getattr(digits(), name).indices)
    few = load_splits(DataConfig(recalibration="held-out", train_images=100), CACHE)
    assert rows(few, "train") < rows(splits, "train")
    assert torch.equal(few.recalibration.indices, splits.recalibration.indices)


def test_no_image_of_the_test_split_is_searched_on() -> None:
    """Not only other numbers: other pixels."""
    splits = digits()
    seen = {image.numpy().tobytes() for image in splits.full_train.images}
    tested = [image.numpy().tobytes() for image in splits.test.images]
    assert sum(image in seen for image in tested) == 0


def test_the_seed_decides_and_is_recorded() -> None:
    again, other = load_splits(DataConfig(), CACHE), load_splits(DataConfig(seed=1), CACHE)
    assert again.record == digits().record
    for name in PARTS:
        assert torch.equal(getattr(again, name).indices, getattr(digits(), name).indices)
        assert rows(other, name) != rows(digits(), name)
        recorded = digits().record["splits"][name]
        numbers = getattr(again, name).indices.numpy().tobytes()
        assert recorded == {"images": len(rows(again, name)), "sha256": hashlib.sha256(numbers).hexdigest()}
    assert (digits().record["seed"], other.record["seed"]) == (0, 1)


def test_fewer_training_images_leave_the_rest_as_it_was() -> None:
    few = load_splits(DataConfig(train_images=100), CACHE)
    assert len(few.train) == 100
    assert rows(few, "train") < rows(digits(), "train")
    for name in ("search", "test"):
        assert torch.equal(getattr(few, name).indices, getattr(digits(), name).indices)


def test_normalization_is_that_of_the_training_images() -> None:
    splits = digits()
    pixels = splits.train.images.double() / 255
    assert splits.train.mean.item() == pytest.approx(pixels.mean().item(), abs=1e-6)
    assert splits.train.std.item() == pytest.approx(pixels.std(correction=0).item(), abs=1e-6)
    inputs = splits.train.normalized(slice(None))
    assert inputs.dtype == torch.float32
    assert (inputs.mean().item(), inputs.std().item()) == pytest.approx((0, 1), abs=1e-3)
    assert torch.equal(splits.test.mean, splits.train.mean)
    chosen = splits.test.normalized(torch.tensor([7, 3]))
    wanted = (splits.test.images[[7, 3]] / 255 - splits.train.mean) / splits.train.std
    torch.testing.assert_close(chosen, wanted)


def test_a_folder_gives_its_images_and_labels() -> None:
    splits = small_splits()
    assert splits.class_names == tuple(f"digit{label}" for label in range(10))
    assert (len(splits.train), len(splits.test), splits.channels) == (160, 50, 3)
    files = sorted((digit_folder() / "test").glob("*/*.png"))
    for number, file in enumerate(files):
        assert splits.test.labels[number] == int(file.parent.name[-1])
        with Image.open(file) as image:
            assert splits.test.images[number, 1].numpy().tobytes() == image.tobytes()


def test_val_is_a_test_folder_too_and_without_one_a_fraction_is_held_out(tmp_path: Path) -> None:
    shutil.copytree(digit_folder(), tmp_path / "a")
    (tmp_path / "a" / "test").rename(tmp_path / "a" / "val")
    assert len(load_splits(folder_config(tmp_path / "a"), CACHE).test) == 50
    shutil.rmtree(tmp_path / "a" / "val")
    splits = load_splits(folder_config(tmp_path / "a", test_fraction=0.25), CACHE)
    assert splits.test.labels.bincount().tolist() == [5] * 10
    plain = load_splits(folder_config(tmp_path / "a" / "train", test_fraction=0.25), CACHE)
    assert torch.equal(plain.test.indices, splits.test.indices)
    assert len(plain.full_train) == 150
    assert not rows(plain, "full_train") & rows(plain, "test")


def test_decoded_images_are_kept_until_the_files_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = tmp_path / "data", tmp_path / "cache"
    shutil.copytree(digit_folder(), root)
    first = load_splits(folder_config(root), cache)

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr("trionet_nni.data.listed.read_images", refuse)
        again = load_splits(folder_config(root, seed=3), cache)  # another division, the same images
        assert torch.equal(again.test.images, first.test.images)
        changed = root / "test" / "digit0" / "000.png"
        with Image.open(changed) as image:
            image.rotate(90).save(changed)
        with pytest.raises(AssertionError, match="decoded again"):
            load_splits(folder_config(root), cache)
    assert not torch.equal(load_splits(folder_config(root), cache).test.images, first.test.images)
    for file in cache.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:1000])
    assert len(load_splits(folder_config(root), cache).train) == 160  # a damaged cache is made anew


def test_large_images_are_decoded_on_demand() -> None:
    splits = load_splits(folder_config(digit_folder(), image_size=72), CACHE)
    inputs = splits.test.normalized(slice(0, 5))
    assert inputs.shape == (5, 3, 72, 72)
    with pytest.raises(InputError, match="allowed: up to 64"):
        _ = splits.test.images
    crops = torch.tensor([[1.0, 1.0, 0.5, 0.5]] * 5)
    whole = splits.test.pixels(slice(0, 5), crops).float()
    small = torch.nn.functional.interpolate(whole, (28, 28), mode="area")
    assert alikeness(small, small_splits().test.images[:5]) > 0.97
    quarter = splits.test.pixels(slice(0, 5), torch.tensor([[0.25, 1.0, 1.0, 0.0]] * 5)).float()
    corner = torch.nn.functional.interpolate(quarter, (14, 14), mode="area")
    assert alikeness(corner, small_splits().test.images[:5, :, :14, 14:]) > 0.95
    again = load_splits(folder_config(digit_folder(), image_size=72), CACHE)
    assert torch.equal(again.train.mean, splits.train.mean)


def broken(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    shutil.copytree(digit_folder(), root)
    return root


def one_line(config: DataConfig, cache: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_splits(config, cache).full_train.normalized(slice(None))  # large images are decoded here
    message = str(caught.value)
    assert "\n" not in message and "allowed:" in message
    return message


@pytest.mark.parametrize("size", [28, 72])
@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_corrupt_image_is_named_and_refused(tmp_path: Path, damage: str, size: int) -> None:
    root = broken(tmp_path)
    bad = root / "train" / "digit3" / "007.png"
    whole = bad.read_bytes()
    bad.write_bytes({"cut": whole[: len(whole) // 2], "text": b"no image\n" * 9, "empty": b""}[damage])
    message = one_line(folder_config(root, image_size=size), tmp_path / "cache")
    assert message.startswith(f"{bad}: image: ")


def test_missing_and_mismatched_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_splits(folder_config(tmp_path / "nowhere"), tmp_path)
    assert "data.root" in one_line(DataConfig(name="folder"), tmp_path)
    root = broken(tmp_path)
    (root / "test" / "digit4").rename(root / "test" / "digitX")
    message = one_line(folder_config(root), tmp_path)
    assert message.startswith(f"{root / 'test'}: class folders: found 'digit4'")
    (root / "test" / "digitX").rename(root / "test" / "digit4")
    for file in (root / "train" / "digit4").iterdir():
        file.unlink()
    message = one_line(folder_config(root), tmp_path)
    assert message.startswith(f"{root / 'train' / 'digit4'}: images: found none")
    (tmp_path / "empty").mkdir()
    assert "class folders: found 0" in one_line(folder_config(tmp_path / "empty"), tmp_path)


def test_files_that_are_no_images_are_left_out(tmp_path: Path) -> None:
    root = broken(tmp_path)
    (root / "train" / "digit0" / "Thumbs.db").write_bytes(b"x")
    (root / "train" / "digit0" / "._000.png").write_bytes(b"x")
    (root / "train" / ".cache").mkdir()
    assert len(load_splits(folder_config(root), tmp_path / "cache").full_train) == 200


def test_more_images_than_there_are_is_refused() -> None:
    assert one_line(DataConfig(search_images=4000), CACHE).startswith(
        "data.search_images: found 4000, allowed: below 4000"
    )
    assert one_line(DataConfig(train_images=3501), CACHE).endswith("allowed: up to 3500")
    assert len(load_splits(DataConfig(search_images=3999), CACHE).train) == 1
    held_out = DataConfig(search_images=3744, recalibration="held-out")
    assert one_line(held_out, CACHE).startswith(
        "data.search_images: found 3744 and recalibration_images 256, allowed: together below 4000"
    )
    assert one_line(DataConfig(train_images=3245, recalibration="held-out"), CACHE).endswith("up to 3244")


def test_every_class_is_tested_and_trained_on(tmp_path: Path) -> None:
    write_digits(tmp_path / "data", 3, classes=4)
    config = folder_config(tmp_path / "data", search_images=2, recalibration_images=2, test_fraction=0.01)
    splits = load_splits(config, tmp_path / "cache")
    assert splits.test.labels.tolist() == [0, 1, 2, 3]


def test_cifar_folder(tmp_path: Path) -> None:
    archive = SHARED_DATA / "cifar10-12k.zip"
    if not archive.exists():
        warnings.warn(f"CIFAR-10 NOT TESTED: {archive.name} is missing", stacklevel=1)
        pytest.skip(f"CIFAR-10 NOT TESTED: ../shared/data/{archive.name} is missing")
    with zipfile.ZipFile(archive) as images:
        images.extractall(tmp_path, [n for n in images.namelist() if n.endswith(("00.jpg", "50.jpg"))])
    os.utime(tmp_path)
    config = folder_config(tmp_path / "cifar10", image_size=32)
    splits = load_splits(config, tmp_path / "cache")
    assert splits.class_names[0] == "airplane" and splits.class_names[-1] == "truck"
    assert (splits.classes, splits.channels, len(splits.test)) == (10, 3, 40)
    assert splits.test.labels.bincount().tolist() == [4] * 10
    assert splits.train.normalized(slice(None)).std().item() == pytest.approx(1, abs=0.01)
