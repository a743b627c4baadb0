"""Finalists trained for real: what is trained on what, what is kept, and how a kill is gone on from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.tiny import ARCHITECTURE, RECIPE, small_splits
from trionet_nni.data import Splits
from trionet_nni.data.folds import fold
from trionet_nni.errors import InputError
from trionet_nni.finalists import train as training_module
from trionet_nni.finalists.halving import Training, rungs
from trionet_nni.finalists.results import FinalistResult, FinalistStore, Standing
from trionet_nni.finalists.train import POINTS, Point, train_finalist
from trionet_nni.settings.project import DataConfig
from trionet_nni.training.checkpoints import read_checkpoint

LADDER = rungs(3, 10, repeats=2)
PLAIN = RECIPE.model_copy(update={"warmup_epochs": 0.0})
DATA = DataConfig(name="digits", workers=0)


class Killed(BaseException):
    pass


def train(directory: Path, rung: int, points: list[Point], splits: Splits | None = None) -> FinalistResult:
    one = Training(ARCHITECTURE, LADDER[rung - 1])
    return train_finalist(one, PLAIN, DATA, splits or small_splits(), directory, points.append)


def numbers(result: FinalistResult) -> tuple[float, float]:
    return result.loss, result.accuracy


@pytest.mark.parametrize("rung", [1, 2])
def test_a_killed_finalist_ends_as_one_in_peace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rung: int
) -> None:
    points: list[Point] = []
    peace = train(tmp_path / "peace", rung, points)
    steps = [point["step"] for point in points]
    assert steps == sorted(set(steps)) and len(steps) == POINTS and steps[-1] == 10
    assert points[-1]["loss"] == peace.loss and peace.images == len(small_splits().search)

    monkeypatch.setattr(training_module, "CHECKPOINT_MINUTES", 0.0)
    path = tmp_path / "storm" / "last.ckpt"

    def kill(point: Point) -> None:
        if point["step"] >= 6:
            raise Killed

    with pytest.raises(Killed):
        train_finalist(
            Training(ARCHITECTURE, LADDER[rung - 1]), PLAIN, DATA, small_splits(), path.parent, kill
        )
    assert 0 < read_checkpoint(path)["global_step"] < 6
    seen: list[Point] = []
    assert numbers(train(path.parent, rung, seen)) == numbers(peace)
    assert all(point["step"] >= 6 for point in seen)  # nothing before the last checkpoint is repeated


def test_a_rung_is_a_training_from_scratch_with_another_seed_on_other_images(tmp_path: Path) -> None:
    splits = small_splits()
    first, second = (train(tmp_path / str(rung), rung, []) for rung in (1, 2))
    trained, measured = fold(splits, 2, DATA.seed)
    same = train_finalist(
        Training(ARCHITECTURE, LADDER[0]),
        PLAIN.model_copy(update={"seed": PLAIN.seed + 1}),
        DATA,
        replace(splits, train=trained, search=measured),
        tmp_path / "same",
    )
    assert numbers(same) == numbers(second) != numbers(first)


def test_only_training_images_train_and_no_test_image_is_read(tmp_path: Path) -> None:
    nothing = replace(small_splits(), test=None, recalibration=None, full_train=None)  # type: ignore[arg-type]
    for rung in (1, 2):
        found = train(tmp_path / f"a{rung}", rung, [], nothing)
        assert numbers(found) == numbers(train(tmp_path / f"b{rung}", rung, []))


def test_the_store_gives_back_what_it_was_given(tmp_path: Path) -> None:
    store = FinalistStore(tmp_path / "finalists")
    one = Training(ARCHITECTURE, LADDER[0])
    assert store.chosen() is None and store.get(one) is None and store.ordered(LADDER) == []
    store.choose([[ARCHITECTURE], []])
    assert store.chosen() == [[ARCHITECTURE], []]
    result = FinalistResult(one, 0.5, 0.75, 40, 1.5)
    store.add(result)
    assert store.get(one) == result and store.losses([ARCHITECTURE], LADDER) == {one.key: 0.5}
    assert store.ordered(LADDER) == [[Standing((result,))], []]
    assert (result.score("loss"), result.score("accuracy")) == (-0.5, 0.75)
    later = Training(ARCHITECTURE, LADDER[1])
    store.give_up(later)
    assert store.get(later) is None and store.losses([ARCHITECTURE], LADDER)[later.key] is None
    assert store.ordered(LADDER) == [[Standing((result,))], []]
    with pytest.raises(ValueError):
        store.add(replace(result, loss=float("nan")))
    assert store.get(one) == result


@pytest.mark.parametrize("name", ["finalists.json", "pilots.json"])
@pytest.mark.parametrize("text", ["", "[1]", '{"budgets": 3}', '{"budgets": [[{"space": "no"}]]}', "{"])
def test_a_damaged_choice_is_refused(tmp_path: Path, text: str, name: str) -> None:
    store = FinalistStore(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"{re.escape(name)}: .*allowed"):
        store.settled()


@pytest.mark.parametrize("text", ['{"loss": "0.5"}', '{"loss": true}', '{"loss": -1}', "[]", "{}"])
def test_a_damaged_result_is_refused(tmp_path: Path, text: str) -> None:
    store, one = FinalistStore(tmp_path), Training(ARCHITECTURE, LADDER[0])
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / f"{ARCHITECTURE.hash}-rung1.json").write_text(text)
    with pytest.raises(InputError, match=r"rung1\.json: .*allowed"):
        store.get(one)
