"""Test images among those to train on: refused before anything starts, or told where they are few."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torchvision.datasets import Flowers102

from tests.helpers.checkout import ROOT
from tests.helpers.published_data import WRITERS
from tests.helpers.tiny import digit_folder, folder_config, write_digits
from trionet_nni.cli import main
from trionet_nni.data import copies, leaks, load_splits
from trionet_nni.data.image_files import ImageFiles
from trionet_nni.data.registry import DATASETS, Dataset
from trionet_nni.data.source import Source
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig

SIZES = (28, 72)  # pixels held in memory, and files decoded on demand


@pytest.fixture(autouse=True)
def _search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command puts folders on the path; take them off again."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Digits: 200 to train on, 50 to test."""
    return Path(shutil.copytree(digit_folder(), tmp_path / "data"))


def refused(config: DataConfig, tmp_path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_splits(config, tmp_path / "cache")
    message = str(caught.value)
    assert "\n" not in message and "allowed: " in message
    return message


def one(root: Path, part: str) -> Path:
    return root / part / "digit3" / ("002.png" if part == "test" else "005.png")


@pytest.mark.parametrize("size", SIZES)
def test_a_clean_set_passes_without_a_word(root, tmp_path, capfd, size):
    assert len(load_splits(folder_config(root, image_size=size), tmp_path / "cache").test) == 50
    assert capfd.readouterr().err == ""


def _same(root: Path) -> None:
    shutil.rmtree(root / "test")
    (root / "test").symlink_to("train")


def _test_inside(root: Path) -> None:
    (root / "test").rename(root / "train" / "held")
    (root / "test").symlink_to(root / "train" / "held")


def _train_inside(root: Path) -> None:
    (root / "train").rename(root / "test" / "more")
    (root / "train").symlink_to(root / "test" / "more")


@pytest.mark.parametrize("change", [_same, _test_inside, _train_inside])
def test_folders_within_each_other(root, tmp_path, change):
    change(root)
    message = refused(folder_config(root), tmp_path)
    assert message.startswith(f"{root / 'test'}: test folder: found {(root / 'test').resolve()}, allowed: ")


def _hard_link(root: Path) -> None:
    (root / "train" / "digit8" / "x.png").hardlink_to(one(root, "test"))


def _symbolic_link(root: Path) -> None:
    (root / "train" / "digit3" / "x.png").symlink_to(one(root, "test"))


def _link_in_the_test_folder(root: Path) -> None:
    (root / "test" / "digit3" / "x.png").symlink_to(one(root, "train"))


def _class_folder(root: Path) -> None:
    shutil.rmtree(root / "train" / "digit3")
    (root / "train" / "digit3").symlink_to(root / "test" / "digit3")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("change", [_hard_link, _symbolic_link, _link_in_the_test_folder, _class_folder])
def test_one_file_on_both_sides(root, tmp_path, change: Callable[[Path], None], size):
    change(root)
    message = refused(folder_config(root, image_size=size), tmp_path)
    assert ": test image: found the same file as " in message
    assert message.endswith("allowed: a file on one side only") and str(root / "train" / "digit") in message
    count = 5 if change is _class_folder else 1
    assert f"for {count} of 5" in message  # of 50, or of 51 with the link


@pytest.fixture
def larger(tmp_path: Path) -> Path:
    """50 digits to train on, 200 to test, of which one is half a percent."""
    write_digits(tmp_path / "data" / "train", 5, skip=20)
    write_digits(tmp_path / "data" / "test", 20)
    return tmp_path / "data"


def _copy(root: Path, count: int) -> None:
    for number, path in enumerate(sorted((root / "test").glob("*/*.png"))[:: 200 // count][:count]):
        shutil.copy(path, root / "train" / "digit7" / f"copy{number}.png")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 2])
def test_a_few_copies_are_one_line(larger, tmp_path, capfd, size, count):
    _copy(larger, count)
    for _ in range(2):
        load_splits(folder_config(larger, image_size=size, search_images=9), tmp_path / "cache")
    (line,) = capfd.readouterr().err.splitlines()  # once a process
    assert line.startswith(f"trionet: warning: {count} of 200 test images have a copy among the images to ")
    assert line.endswith(f"{larger / 'test/digit0/000.png'} is {larger / 'train/digit7/copy0.png'}")


@pytest.mark.parametrize("size", SIZES)
def test_more_than_one_percent_of_copies(larger, tmp_path, size):
    _copy(larger, 3)
    message = refused(folder_config(larger, image_size=size, search_images=9), tmp_path)
    assert message.startswith(f"{larger / 'test' / 'digit0' / '000.png'}: test image: found a copy of ")
    assert message.endswith("for 3 of 200 test images, allowed: copies of up to 1 %")


def test_the_same_pixels_in_another_format(root, tmp_path):
    with Image.open(one(root, "test")) as image:
        image.save(root / "train" / "digit1" / "other.bmp")
    message = refused(folder_config(root), tmp_path)
    assert f"found a copy of {root / 'train' / 'digit1' / 'other.bmp'}" in message


def test_files_of_one_size_and_one_end_are_not_copies_until_all_bytes_are(tmp_path):
    """A bitmap's file begins with the lowest line of the picture."""
    for number in range(6):
        image = Image.new("L", (100, 100), 255)
        image.paste(number, (0, 90, 100, 100))
        image.save(tmp_path / f"{number}.bmp")
    names = [f"{number}.bmp" for number in range(6)]
    files = [tmp_path / name for name in names]
    assert len({path.stat().st_size for path in files}) == len({copies.tail(path) for path in files}) == 1
    ours, theirs = np.arange(3), np.arange(3, 6)
    assert copies.same_bytes(ImageFiles(tmp_path, names), ours, theirs) == {}
    shutil.copy(files[5], files[1])
    assert copies.same_bytes(ImageFiles(tmp_path, names), ours, theirs) == {1: 5}


def test_without_a_test_folder_links_among_the_images_are_found(root, tmp_path):
    shutil.rmtree(root / "test")
    for path in sorted((root / "train").glob("*/*.png")):
        path.with_name(f"again-{path.name}").hardlink_to(path)
    assert "the same file as" in refused(folder_config(root), tmp_path)


def test_a_set_without_files(tmp_path, monkeypatch, capfd):
    pixels = torch.randint(0, 256, (400, 1, 28, 28), dtype=torch.uint8)
    labels = torch.arange(400) % 2
    config = DataConfig(search_images=9, recalibration_images=9)

    def opened(key: str) -> None:
        source = Source(key, ("a", "b"), lambda: (pixels, labels), train_count=200)
        monkeypatch.setitem(DATASETS, "digits", Dataset("digits", lambda config: source, classes=2))

    opened("clean")
    load_splits(config, tmp_path)
    pixels[300] = pixels[17]
    opened("one")
    load_splits(config, tmp_path)
    assert "1 of 200 test images have a copy among the images to train on: image 300 is image 17" in (
        capfd.readouterr().err
    )
    pixels[310:320] = pixels[17]
    opened("eleven")
    message = refused(config, tmp_path)
    assert message.startswith("image 300: test image: found a copy of image 17, which is trained on")


def _birds(root: Path) -> None:
    listed = (root / "lists" / "train.txt").read_text().splitlines()
    with (root / "lists" / "test.txt").open("a") as file:
        file.write(f"{listed[0]}\n")


def _aircraft(root: Path) -> None:
    data = root / "fgvc-aircraft-2013b" / "data"
    line = (data / "images_variant_trainval.txt").read_text().splitlines()[2]
    with (data / "images_variant_test.txt").open("a") as file:
        file.write(f"{line}\n")


def _cars(root: Path) -> None:
    base = root / "stanford_cars"
    (base / "cars_test" / "00004.jpg").unlink()
    (base / "cars_test" / "00004.jpg").symlink_to(base / "cars_train" / "00001.jpg")


def _flowers(root: Path) -> None:
    from scipy.io import loadmat, savemat

    path = root / "flowers-102" / "setid.mat"
    parts = {name: loadmat(path)[name] for name in ("trnid", "valid", "tstid")}
    parts["tstid"][0, 0] = parts["valid"][0, 0]
    savemat(path, parts)


@pytest.mark.parametrize("size", [32, 72])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("cub-2010", _birds),
        ("fgvc-aircraft", _aircraft),
        ("stanford-cars", _cars),
        ("flowers-102", _flowers),
    ],
)
def test_lists_that_overlap(tmp_path, monkeypatch, name, change, size):
    monkeypatch.setattr(Flowers102, "_check_integrity", lambda self: True)
    WRITERS[name](tmp_path / "data", 3, 6)
    config = DataConfig(
        name=name, root=str(tmp_path / "data"), image_size=size, search_images=4, recalibration_images=4
    )
    load_splits(config, tmp_path / "cache")
    change(tmp_path / "data")
    assert "test image: found the same file as " in refused(config, tmp_path)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_found_is_kept_until_the_images_change(root, tmp_path, monkeypatch, size):
    config, cache = folder_config(root, image_size=size), tmp_path / "cache"
    load_splits(config, cache)

    def refuse(*_: object) -> None:
        raise AssertionError("looked again")

    with monkeypatch.context() as patch:
        for name in ("same_files", "same_bytes", "same_pixels"):
            patch.setattr(leaks, name, refuse)
        load_splits(config, cache)
        (kept,) = cache.glob("copies-*.json")
        kept.write_text("{")
        with pytest.raises(AssertionError, match="looked again"):  # at what is damaged
            load_splits(config, cache)
    load_splits(config, cache)
    with monkeypatch.context() as patch:
        patch.setattr(leaks, "same_files", refuse)
        load_splits(config, cache)
        os.utime(one(root, "test"), (1, 1))
        with pytest.raises(AssertionError, match="looked again"):
            load_splits(config, cache)
    shutil.copy(one(root, "test"), root / "train" / "digit3" / "x.png")
    assert "found a copy of" in refused(config, tmp_path)
    assert "found a copy of" in refused(config, tmp_path)  # what is refused is not kept


@pytest.mark.parametrize("command", ["search", "retrain"])
@pytest.mark.parametrize("change", [_same, _symbolic_link, _class_folder])
def test_the_commands_end_with_status_2_before_anything_starts(root, tmp_path, capfd, command, change):
    change(root)
    project = {
        "space": "spaces.small",
        "data": folder_config(root).model_dump(),
        "search": {"max_flops": 2e7},
        "retrain": {"epochs": 1, "batch_size": 8},
        "supernet": {"recipe": {"epochs": 1, "batch_size": 8, "warmup_epochs": 0}},
    }
    file, out = tmp_path / "x.yml", tmp_path / "out"
    tuner = {"codeDirectory": str(ROOT), "classArgs": project}
    file.write_text(yaml.safe_dump({"tuner": tuner, "experimentWorkingDirectory": "runs"}))
    given = {
        "search": ["search", str(file), "-o", str(out)],
        "retrain": ["retrain", "--architecture", "resnet-18", "--experiment", str(file), "-o", str(out)],
    }
    assert main(given[command]) == 2
    output = capfd.readouterr()
    assert output.out == "" and len(output.err.splitlines()) == 1
    assert output.err.startswith("trionet: ") and ": found " in output.err
    assert not (out / "runs").exists() and not (out / "architecture.json").exists()
    assert not (tmp_path / "runs").exists() or [p.name for p in (tmp_path / "runs").iterdir()] == ["cache"]
