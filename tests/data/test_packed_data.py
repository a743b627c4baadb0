"""Parquet files and WebDataset shards: unpacked once, read as class folders from then on."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow.parquet import write_table

from tests.helpers.published_data import parquet, shard, webdataset
from trionet_nni.data import load_splits
from trionet_nni.data.registry import DATASETS, kind_of
from trionet_nni.errors import InputError
from trionet_nni.experiment.pictures import look_at
from trionet_nni.report.space import cost_model
from trionet_nni.settings.project import DataConfig, ProjectConfig


def config(name: str, root: Path) -> DataConfig:
    return DataConfig(name=name, root=str(root), image_size=32, search_images=4, recalibration_images=4)


def png(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), (number * 37 % 256, number * 91 % 256, number % 256)).save(out, "PNG")
    return out.getvalue()


def table(root: Path, name: str, pictures: list[Any], labels: list[Any], names: list[str] | None) -> None:
    """A parquet file with columns `img` and `fine_label`, and Hugging Face's note on them."""
    found = pa.table({"img": pictures, "fine_label": labels, "coarse_label": [0] * len(labels)})
    if names is not None:
        kinds = {"img": {"_type": "Image"}, "coarse_label": {"_type": "ClassLabel", "names": ["a"]}}
        features = {**kinds, "fine_label": {"_type": "ClassLabel", "names": names}}
        note = json.dumps({"info": {"features": features}}).encode()
        found = found.replace_schema_metadata({b"huggingface": note})
    write_table(found, root / name)


def test_names_of_classes_come_from_the_note(tmp_path: Path) -> None:
    """Two cranes stay two classes, a slash is no folder, and a test set without classes is none."""
    names = ["crane", "tench, Tinca", "A/B", "crane"]
    pictures = [{"bytes": png(number), "path": None} for number in range(16)]
    table(tmp_path, "train-0.parquet", pictures[:8], [0, 1, 2, 3] * 2, names)
    table(tmp_path, "validation-0.parquet", pictures[8:12], [3, 2, 1, 0], names)
    table(tmp_path, "test-0.parquet", pictures[12:], [-1] * 4, names)
    source = DATASETS["parquet"].open(config("parquet", tmp_path))
    assert source.class_names == ("A_B", "crane", "crane 3", "tench, Tinca")
    assert source.train_count == 8 and len(source.files or ()) == 12
    assert {path.suffix for path in source.files or ()} == {".png"}
    assert all(path.read_bytes() in {png(number) for number in range(12)} for path in source.files or ())


def test_plain_bytes_and_classes_as_words_do_as_well(tmp_path: Path) -> None:
    table(tmp_path, "all.parquet", [png(number) for number in range(6)], ["cat", "dog", "owl"] * 2, None)
    source = DATASETS["parquet"].open(config("parquet", tmp_path))
    assert source.class_names == ("cat", "dog", "owl") and source.train_count is None


def test_numbered_classes_sort_as_numbers(tmp_path: Path) -> None:
    numbers = [9, 10, 2, 9, 10, 2]
    samples = {f"s{n}": {"png": png(n), "cls": str(label).encode()} for n, label in enumerate(numbers)}
    shard(tmp_path / "train-0.tar", samples)
    assert DATASETS["webdataset"].open(config("webdataset", tmp_path)).class_names == ("02", "09", "10")


def test_labels_in_json_and_a_list_of_names(tmp_path: Path) -> None:
    samples = {
        f"folder/s{n}": {
            "json": json.dumps({"label": n % 2}).encode(),
            "seg.png": png(n),
            "pyd": b"\x80\x04.",
        }
        for n in range(4)
    }
    shard(tmp_path / "train-0.tar", samples)
    (tmp_path / "classnames.txt").write_text("owl\ncat\n")
    source = DATASETS["webdataset"].open(config("webdataset", tmp_path))
    assert source.class_names == ("cat", "owl")
    owls = [path for path in source.files or () if path.parent.name == "owl"]
    assert {path.read_bytes() for path in owls} == {png(0), png(2)}


def test_unpacked_once_and_again_when_the_files_change(tmp_path: Path, capsys: Any) -> None:
    webdataset(tmp_path, 2, 3)
    first = DATASETS["webdataset"].open(config("webdataset", tmp_path))
    again = DATASETS["webdataset"].open(config("webdataset", tmp_path))
    assert first.key == again.key and capsys.readouterr().err.count("unpacking") == 1
    shard(tmp_path / "more-train.tar", {"one": {"png": png(200), "cls": b"1"}})
    other = DATASETS["webdataset"].open(config("webdataset", tmp_path))
    assert len(other.files or ()) == len(first.files or ()) + 1 and other.key != first.key


def test_an_unpacking_that_was_killed_is_made_again(tmp_path: Path) -> None:
    webdataset(tmp_path, 2, 3)
    (tmp_path / ".unpacked" / "train" / "7").mkdir(parents=True)
    (tmp_path / "unpacked" / "train" / "8").mkdir(parents=True)
    assert DATASETS["webdataset"].open(config("webdataset", tmp_path)).class_names == ("0", "1")


def test_two_at_once_unpack_once(tmp_path: Path, capsys: Any) -> None:
    webdataset(tmp_path, 3, 40)
    found: list[str] = []

    def opened() -> None:
        found.append(DATASETS["webdataset"].open(config("webdataset", tmp_path)).key)

    threads = [threading.Thread(target=opened) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 3
    assert capsys.readouterr().err.count("unpacking") == 1


def test_what_is_packed_is_found_and_counted(tmp_path: Path) -> None:
    parquet(tmp_path / "a", 3, 6)
    webdataset(tmp_path / "b", 3, 6)
    (tmp_path / "c" / "cat").mkdir(parents=True)
    assert [kind_of(tmp_path / name) for name in "abc"] == ["parquet", "webdataset", "folder"]
    pictures = look_at(tmp_path / "a")
    assert (pictures.data, len(pictures.classes), pictures.pool) == ("parquet", 3, 18)
    data = {"name": "webdataset", "root": str(tmp_path / "b")}
    settings = {"space": "spaces.tiny", "data": data, "search": {"max_flops": 2e7}}
    assert cost_model(ProjectConfig.model_validate(settings)).classes == 3


def test_test_pictures_that_are_trained_on_are_refused(tmp_path: Path) -> None:
    samples = {f"s{n}": {"png": png(n), "cls": str(n % 2).encode()} for n in range(12)}
    shard(tmp_path / "train-0.tar", samples)
    shard(tmp_path / "test-0.tar", samples)
    with pytest.raises(InputError, match="copy of"):
        load_splits(config("webdataset", tmp_path), tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.tar", b"no tar", "found no whole tar file"),
        ("train.parquet", b"no parquet", "found no whole parquet file"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refused(kind_of(tmp_path), tmp_path)


def test_a_shard_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    webdataset(tmp_path, 2, 3)
    file = tmp_path / "pictures-train-1.tar"
    file.write_bytes(file.read_bytes()[:700])
    assert str(file) in refused("webdataset", tmp_path)
    assert not (tmp_path / "unpacked").exists()


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    shard(tmp_path / "train.tar", {"one": {"png": png(1)}, "two": {"png": png(2), "cls": b"1"}})
    assert "found none" not in refused("webdataset", tmp_path)  # one class alone
    shard(tmp_path / "train.tar", {"one": {"png": png(1), "cls": b""}})
    assert "allowed: .cls, or label in .json" in refused("webdataset", tmp_path)
    shard(tmp_path / "train.tar", {"one": {"png": png(1), "cls": b"7"}})
    (tmp_path / "classnames.txt").write_text("owl\n")
    assert "class 7: found no name, allowed: 0 to 0" in refused("webdataset", tmp_path)
    (tmp_path / "classnames.txt").unlink()
    (tmp_path / "train.tar").rename(tmp_path / "test.tar")
    assert "found test, allowed: some to train on" in refused("webdataset", tmp_path)
    write_table(pa.table({"x": [1]}), tmp_path / "train.parquet")
    assert "found 'x', allowed: one of a picture" in refused("parquet", tmp_path)
    table(tmp_path, "train.parquet", [None], [0], None)
    assert "picture: found NoneType" in refused("parquet", tmp_path)


def refused(name: str, root: Path) -> str:
    with pytest.raises(InputError) as caught:
        DATASETS[name].open(config(name, root))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the system's answer is put in its place."""
    webdataset(tmp_path, 2, 3)

    def closed(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("trionet_nni.data.packed.lock", closed)
    assert "cannot be written (Read-only file system)" in refused("webdataset", tmp_path)
    monkeypatch.undo()
    assert DATASETS["webdataset"].open(config("webdataset", tmp_path)).class_names == ("0", "1")
    monkeypatch.setattr("trionet_nni.data.packed.lock", closed)
    assert DATASETS["webdataset"].open(config("webdataset", tmp_path)).class_names == ("0", "1")
