"""Several commands on one folder: one waits or is refused; nothing of one lands in what is another's."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.patience import until
from tests.helpers.tiny import ARCHITECTURE, RECIPE, fresh, small_splits
from tests.helpers.tiny_experiment import CANDIDATES, finished
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.export import best as exporting
from trionet_nni.export.best import export
from trionet_nni.export.card import read_card
from trionet_nni.export.retrain import retrain
from trionet_nni.export.turns import trained, writing
from trionet_nni.files.turns import alone_in
from trionet_nni.training.fit import fit


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The finished experiment without its winner: other networks at every place."""
    runs = Path(shutil.copytree(finished().working_directory, tmp_path / "runs"))
    root = runs / finished().root.name
    winner = export(root, 1, tmp_path / "winner")[0]
    (root / "trionet" / "evaluations" / f"{winner.evaluation.architecture.hash}.json").unlink()
    return root


def test_no_network_takes_a_folder_in_which_another_one_is_trained(tmp_path: Path, other: Path) -> None:
    out = tmp_path / "out"
    export(finished().root, 3, out)
    before = {path: path.read_bytes() for path in out.glob("*/*") if path.is_file()}
    with trained(out / "2"), trained(out / "2"):  # by two seeds
        with pytest.raises(InputError, match=r"out/2: found a training of another network under way"):
            export(other, 3, out)
        assert {path: path.read_bytes() for path in out.glob("*/*") if path.is_file()} == before
        export(finished().root, 3, out)  # the same networks
    assert [row.folder for row in export(other, 3, out)] == [out / "1", out / "2"]
    assert len(list(out.glob("*-until-*"))) == 2


def test_a_training_holds_its_folder_from_its_first_look_to_its_result(
    tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, refused = tmp_path / "out", []
    export(finished().root, 2, out)
    usual = retrain.__globals__["load_splits"]

    def in_between(*given: Any) -> Any:
        with pytest.raises(InputError, match="under way") as error:
            export(other, 2, out)
        refused.append(str(error.value))
        return usual(*given)

    monkeypatch.setitem(retrain.__globals__, "load_splits", in_between)
    result = retrain(out / "1", progress=False)
    assert len(refused) == 1
    assert read_card(out / "1").trained["retrained"].accuracy == result["accuracy"]
    assert Architecture.load(out / "1" / "architecture.json") in CANDIDATES


def test_two_exports_into_one_folder_take_turns(
    tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, second = tmp_path / "out", []
    usual = exporting._write

    def write(row: Any, run: Any, splits: Any) -> None:
        if not second:
            second.append(_begin(lambda: export(other, 2, out)))
            until(lambda: "another process exports there: waiting for it" in capsys.readouterr().err)
        usual(row, run, splits)

    monkeypatch.setattr(exporting, "_write", write)
    first = [row.evaluation.architecture for row in export(finished().root, 2, out)]
    second[0].join()
    now = [Architecture.load(out / name / "architecture.json") for name in ("1", "2")]
    moved = [Architecture.load(path / "architecture.json") for path in sorted(out.glob("*-until-*"))]
    assert not set(now) & {first[0]} and moved == [one for one in first if one not in now] + [first[1]]


def test_a_second_training_of_one_seed_waits_and_finds_what_the_first_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, folder, done = small_splits().train, tmp_path / "run", list[dict[str, Any]]()
    with alone_in(folder, "trains"):
        thread = _begin(lambda: done.append(fit(fresh(), RECIPE, train, folder, progress=False)))
        until(lambda: "another process trains there: waiting for it" in capsys.readouterr().err)
        assert not done and not list(folder.glob("*"))
    thread.join()
    assert done[0]["complete"] and done[0]["resumed_from"] == 0
    assert fit(fresh(), RECIPE, train, folder, progress=False)["resumed_from"] == done[0]["steps"]


def test_results_of_two_seeds_are_written_one_after_the_other(
    network_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _held(lambda: retrain(network_folder, seed=1, progress=False), network_folder, capsys):
        assert not (network_folder / "retrained.safetensors").exists()
    assert read_card(network_folder).trained["retrained"].seed == 1


@contextmanager
def _held(act: Callable[[], object], folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Write in a folder when a training of it comes to its result."""
    checkpoint = folder / "runs" / "retrain-seed1" / "last.ckpt"
    thread = _begin(act)
    until(checkpoint.exists)
    with writing(folder):
        until(lambda: "another process writes there: waiting for it" in capsys.readouterr().err)
        yield
    thread.join()


def _begin(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_a_lock_stays_where_it_is_when_its_folder_is_renamed(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    with trained(folder):
        folder.rename(tmp_path / "1-until-now")
        folder.mkdir()
        (folder / "architecture.json").write_text(CANDIDATES[0].to_json())
        with pytest.raises(InputError, match="under way"):
            exporting.check_room(folder, ARCHITECTURE)
