"""NNI's database is damaged or gone: one line, which says how the results are taken by a new experiment."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.nnictl.terminal import launch
from trionet_nni.nnictl.terminal.database import check_database
from trionet_nni.nnictl.terminal.resume import go_on


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "abc" / "db" / "nni.sqlite"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as made:
        made.execute("create table MetricData (data text)")
        made.executemany("insert into MetricData values (?)", [("x" * 900,)] * 50)
        made.commit()
    return path


def test_a_whole_database_is_passed_and_one_in_use_as_well(base: Path) -> None:
    folder = ExperimentFolder(base.parent.parent)
    check_database(folder)
    with closing(sqlite3.connect(base)) as other:
        other.execute("begin immediate")
        check_database(folder)


@pytest.mark.parametrize("damage", ["gone", "cut off", "overwritten", "in its middle"])
def test_a_damaged_one_is_refused_before_nnictl_tries(
    base: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = base.read_bytes()
    found = {
        "cut off": data[: len(data) // 2],
        "overwritten": b"no database" * 99,
        "in its middle": data[:4096] + bytes(range(256)) * 16 + data[8192:],
    }
    if damage == "gone":
        base.unlink()
    else:
        base.write_bytes(found[damage])
    monkeypatch.setattr(launch, "listed", dict)
    monkeypatch.setattr(launch, "resume", None)
    with pytest.raises(InputError, match=r"nni\.sqlite: found .* results are kept.*: --from abc"):
        go_on(ExperimentFolder(base.parent.parent), None, 1)
