"""Very many image files: held in arrays, looked at once, and divided as they always were."""

from __future__ import annotations

import hashlib
import os
import pickle
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.many_files import picture, write_folder
from tests.helpers.tiny import folder_config
from trionet_nni.data import load_splits, looked_at, opened_once
from trionet_nni.data.copies import read_tails
from trionet_nni.data.image_files import ImageFiles, in_threads
from trionet_nni.data.registry import DATASETS
from trionet_nni.errors import InputError

# Of a folder with fixed names, sizes and times, as the commits before 2026-11-29 recorded them.
BEFORE_SOURCE = "folder eebba743ed78c77ba266e7f247b8af4f3b3aecbac3ba0059a0f0639b4fac4aa8"
BEFORE = {
    "search": "fb5ebcb23badd8caf83d6440b7821271fe297abb5c1308a7e0b434343f64def2",
    "recalibration": "454839f1a2642320d4ea4a9a222d9422466f60f6cdd9f1c14c05b62f93504f08",
    "train": "4de155f95677dc0b1a38091935dc9158cf5a7cbd8d77e03b36d63c07699e9e4e",
    "test": "d59283b597ffe17323b61426a8a2376dfb6c27ffc316e7817f37a02939953e34",
    "full_train": "3a1d80278d323f525de8ad71b2670c25d3cba7bfe9eb0fcc729e293a8d0bb5d0",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Tiny pictures: 60 to train on, 20 to test."""
    write_folder(tmp_path / "data", 80, 20, 4)
    return tmp_path / "data"


def names_below(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in sorted(root.rglob("*.png"))]


def config_of(root: Path, size: int = 72):
    return folder_config(root, image_size=size, search_images=9, recalibration_images=8)


class Looks:
    """Counts the files that are looked at."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seen: list[Path] = []
        look = looked_at.look

        def counted(path: Path) -> looked_at.Look:
            self.seen.append(path)
            return look(path)

        patch.setattr(looked_at, "look", counted)


@pytest.fixture
def looks(monkeypatch) -> Looks:
    return Looks(monkeypatch)


@pytest.mark.parametrize("size", [16, 72])
def test_a_folder_is_divided_as_before(tmp_path, size):
    number = 0
    for part, count in (("train", 12), ("val", 3)):
        for name in ("b", "a", "ü"):
            (tmp_path / part / name).mkdir(parents=True)
            for place in range(count):
                path = tmp_path / part / name / f"{place}.bmp"
                Image.new("RGB", (8, 8), (number, 255 - number, 7)).save(path)
                os.utime(path, ns=(10**18 + number, 10**18 + number))
                number += 1
    config = folder_config(tmp_path, image_size=size, search_images=5, recalibration_images=4)
    splits = load_splits(config, tmp_path / "cache")
    assert splits.record["source"] == BEFORE_SOURCE
    assert {name: part["sha256"] for name, part in splits.record["splits"].items()} == BEFORE
    assert splits.test.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 and splits.class_names == (
        "a",
        "b",
        "ü",
    )


def test_files_are_a_sequence_of_paths(root):
    names = [*names_below(root), "train/a link to nothing.png", "train/line\nbreak.png", "train/\udcff.png"]
    (root / names[-3]).symlink_to("nothing")
    for name in names[-2:]:
        (root / name).write_bytes(picture(1))
    paths = [root / name for name in names]
    files = ImageFiles(root, iter(names))
    assert list(files) == paths and len(files) == len(paths) and paths[5] in files
    assert (files[-1], files[2:9:3], files.name(0)) == (paths[-1], paths[2:9:3], names[0])
    with pytest.raises(IndexError):
        files[len(names)]
    assert pickle.loads(pickle.dumps(files)) == files != ImageFiles(root, names[:-1])
    chosen = files.take(np.array([4, 82, 0]))
    assert list(chosen) == [paths[4], paths[82], paths[0]]
    assert chosen.marks().tolist() == files.marks()[[4, 82, 0]].tolist()
    assert chosen.inodes.tolist() == [os.lstat(paths[number]).st_ino for number in (4, 82, 0)]


def test_the_fingerprint_is_that_of_before(root):
    names = names_below(root)
    (root / "train" / "gone.png").symlink_to("nothing")
    names.append("train/gone.png")
    digest = hashlib.sha256()
    for path in (root / name for name in names):
        state = path.stat() if path.exists() else path.lstat()
        digest.update(f"{path.relative_to(root)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    assert ImageFiles(root, names).fingerprint() == digest.hexdigest()


def test_a_missing_file_is_one_line(root):
    with pytest.raises(InputError, match=r"train/no.png: image: found none \(No such file or directory\)"):
        ImageFiles(root, ["train/no.png"])


def test_a_file_takes_some_hundred_bytes(root):
    names = names_below(root) * 100
    ImageFiles(root, names[:9])
    tracemalloc.start()
    files = ImageFiles(root, names)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(files) == 8_000
    assert held < 110 * len(files)  # as a tuple of paths that were used: 420


def test_blocks_come_in_order_and_so_does_the_first_error():
    def half(block) -> list[int]:
        if 700 in block or 30 in block:
            raise ValueError(f"{block[0]}")
        return [2 * number for number in block]

    blocks = in_threads(half, range(1000), 10)
    done = [next(blocks) for _ in range(3)]
    assert [number for block, _ in done for number in block] == list(range(30))
    assert all(found == [2 * number for number in block] for block, found in done)
    with pytest.raises(ValueError, match="30"):
        next(blocks)


def test_only_what_has_changed_is_looked_at_again(root, tmp_path, looks):
    load_splits(config_of(root), tmp_path / "cache")
    assert len(looks.seen) == 80
    load_splits(config_of(root), tmp_path / "cache")
    assert len(looks.seen) == 80
    changed = [root / name for name in names_below(root)[3:50:20]]
    os.utime(changed[0], (1, 1))
    changed[1].write_bytes(picture(1000))
    changed[2].unlink()
    new = root / "val" / "n00000002" / "new.png"
    new.write_bytes(picture(1001))
    load_splits(config_of(root), tmp_path / "cache")
    assert sorted(looks.seen[80:]) == sorted([changed[0], changed[1], new])


def test_a_bad_image_is_looked_at_until_it_is_good(root, tmp_path, looks):
    bad = root / names_below(root)[7]
    good = bad.read_bytes()
    bad.write_bytes(b"no image")
    for _ in range(2):
        with pytest.raises(InputError, match=bad.name):
            load_splits(config_of(root), tmp_path / "cache")
    assert looks.seen[80:] == [bad]
    bad.write_bytes(good)
    assert len(load_splits(config_of(root), tmp_path / "cache").full_train) == 60


def test_a_look_that_was_interrupted_goes_on(root, tmp_path, looks, monkeypatch):
    monkeypatch.setattr(looked_at, "_SAVED_SECONDS", 0.0)
    look = looked_at.look

    def interrupted(path: Path) -> looked_at.Look:
        if len(looks.seen) >= 50:
            raise RuntimeError("the machine stops")
        return look(path)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(looked_at, "look", interrupted)
        load_splits(config_of(root), tmp_path / "cache")
    load_splits(config_of(root), tmp_path / "cache")
    assert 80 <= len(looks.seen) <= 80 + 4 * looked_at.THREADS  # those under way are looked at twice
    assert set(looks.seen) == {root / name for name in names_below(root)}


def test_processes_find_what_threads_find(root, tmp_path, monkeypatch):
    (root / names_below(root)[7]).write_bytes(b"no image")
    files = ImageFiles(root, names_below(root))
    by_threads = looked_at.unreadable(files, tmp_path / "threads")
    state = torch.get_rng_state()
    monkeypatch.setattr(looked_at, "_MANY", 1)
    monkeypatch.setattr(looked_at, "_BLOCK", 16)
    monkeypatch.setattr(looked_at, "look", looked_at.look)
    assert looked_at.unreadable(files, tmp_path / "processes") == by_threads and list(by_threads) == [7]
    assert torch.equal(torch.get_rng_state(), state)
    (one,), (other,) = (
        (tmp_path / name).glob("looked-at-*.safetensors") for name in ("threads", "processes")
    )
    assert one.read_bytes() == other.read_bytes()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def _another(path: Path) -> None:
    looked_at._write(path, looked_at.LookedAt(*np.array([[3, 2], [1, 1]], dtype=np.uint64)))


@pytest.mark.parametrize("damage", [_empty, _cut, _another])
def test_a_damaged_memory_is_none(root, tmp_path, looks, damage: Callable[[Path], None]):
    files = ImageFiles(root, names_below(root))
    assert looked_at.unreadable(files, tmp_path) == {}
    (memory,) = tmp_path.glob("looked-at-*.safetensors")
    damage(memory)
    assert looked_at.unreadable(files, tmp_path) == {} and len(looks.seen) == 160


def test_ends_are_remembered_or_read(root, tmp_path):
    names = names_below(root)
    looked_at.unreadable(ImageFiles(root, names[:50]), tmp_path)
    files, numbers = ImageFiles(root, names), np.array([60, 3, 49, 50])
    wanted = read_tails(files, numbers)
    assert len(set(wanted.tolist())) == 4
    assert looked_at.known_tails(files, tmp_path)(numbers).tolist() == wanted.tolist()
    (root / names[3]).unlink()  # that one was remembered
    assert looked_at.known_tails(files, tmp_path)(numbers).tolist() == wanted.tolist()


def test_of_two_that_open_at_once_one_looks(root, tmp_path, looks):
    opened: list[int] = []

    def work() -> None:
        opened.append(len(load_splits(config_of(root), tmp_path / "cache").test))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [20, 20] and len(looks.seen) == 80


def test_a_list_of_an_earlier_version_is_believed(root, tmp_path, looks):
    load_splits(config_of(root), tmp_path / "cache")
    for path in (tmp_path / "cache").glob("looked-at*"):
        path.unlink()
    load_splits(config_of(root), tmp_path / "cache")
    assert len(looks.seen) == 80


@pytest.mark.parametrize("size", [16, 72])
def test_within_a_command_images_are_opened_once(root, tmp_path, monkeypatch, size):
    opened = []
    folder = DATASETS["folder"]

    def counted(config):
        opened.append(config)
        return folder.open(config)

    monkeypatch.setitem(DATASETS, "folder", type(folder)("folder", counted, None, names=folder.names))
    config = config_of(root, size)
    with opened_once():
        first, again = (load_splits(config, tmp_path / "cache") for _ in range(2))
        other = load_splits(config.model_copy(update={"search_images": 20}), tmp_path / "cache")
        assert len(opened) == 1
        load_splits(config.model_copy(update={"image_size": size + 1}), tmp_path / "cache")
        assert len(opened) == 2
    assert again.record == first.record and len(other.search) == 20
    assert torch.equal(again.train.pixels(slice(4)), first.train.pixels(slice(4)))
    load_splits(config, tmp_path / "cache")
    assert len(opened) == 3
