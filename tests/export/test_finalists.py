"""An export of a search with finalists: their own order first, and a card that says how it came about."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers.tiny import RECIPE, small_splits
from tests.helpers.tiny_experiment import CANDIDATES, finished
from trionet_nni.export.best import export, print_exported
from trionet_nni.export.card import read_card
from trionet_nni.export.card_text import write_card
from trionet_nni.export.load import load
from trionet_nni.finalists.halving import Training, rungs
from trionet_nni.finalists.results import FinalistResult, FinalistStore

LADDER = rungs(2, 40, repeats=2)  # two networks, twice


ONE_TRAINING = {  # as a card has it of when lengths were halved
    "loss": 0.25, "accuracy": 0.875, "images": 40, "split": "search", "steps": 20, "of": 40,
    "train_images": 100, "batch_size": 8, "learning_rate": 0.1, "seed": 0,
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The finished experiment, as one with finalists that have not been trained yet."""
    root = tmp_path / finished().root.name
    shutil.copytree(finished().root, root)
    file = root / "trionet" / "project.json"
    settings = json.loads(file.read_text())
    settings["search"]["finalists"] = {"count": 2, "steps": 40, "repeats": 2}
    file.write_text(json.dumps(settings))
    return root


def test_the_winner_is_first_and_its_card_says_why(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    by_supernet = [row.evaluation.architecture for row in export(root, 5, tmp_path / "before")]
    assert set(by_supernet) == set(CANDIDATES)
    store = FinalistStore(root / "trionet" / "finalists")
    worst, middle = by_supernet[2], by_supernet[1]
    store.choose([[middle, worst]])
    for rung, lower, higher in ((LADDER[0], 0.125, 0.5), (LADDER[1], 0.375, 0.5)):
        for network, loss in ((middle, higher), (worst, lower)):
            store.add(FinalistResult(Training(network, rung), loss, 0.875, 40, 1.0))
    rows = export(root, 5, tmp_path / "out")
    assert [row.evaluation.architecture for row in rows] == [worst, middle, by_supernet[0]]
    assert [row.finalist and row.finalist.loss for row in rows] == [0.25, 0.5, None]

    card = read_card(rows[0].folder)
    assert card.finalist is not None and card.measured is not None
    assert (card.finalist.loss, card.finalist.steps, card.finalist.of) == (0.25, 40, 40)
    assert card.finalist.losses == [0.125, 0.375]
    assert card.finalist.train_images == len(small_splits().train)
    assert card.finalist.learning_rate == RECIPE.learning_rate
    text = (rows[0].folder / "card.md").read_text()
    assert "loss 0.2500, accuracy 0.8750 on 40 search images after 40 steps on" in text
    assert "the mean of 2 trainings (0.1250, 0.3750)" in text
    assert read_card(rows[2].folder).finalist is None
    load(rows[0].folder)

    print_exported(rows, tmp_path / "out")
    said = capsys.readouterr().out
    assert "own loss" in said and "0.2500" in said and "ranks the finalists" in said


def test_before_a_finalist_has_a_result_the_supernet_ranks(root: Path, tmp_path: Path) -> None:
    before = [row.evaluation.architecture for row in export(root, 5, tmp_path / "a")]
    FinalistStore(root / "trionet" / "finalists").choose([before[1:]])
    rows = export(root, 5, tmp_path / "b")
    assert [row.evaluation.architecture for row in rows] == before
    assert all(row.finalist is None for row in rows)


def test_a_card_of_before_there_were_finalists_is_read(root: Path, tmp_path: Path) -> None:
    (row, *_) = export(root, 1, tmp_path / "out")
    data = json.loads((row.folder / "card.json").read_text())
    data["finalist"] = ONE_TRAINING
    (row.folder / "card.json").write_text(json.dumps(data))
    found = read_card(row.folder).finalist
    assert found is not None and found.losses == [] and found.loss == 0.25
    write_card(row.folder, read_card(row.folder), row.evaluation.architecture)
    assert "after 20 of 40 on 100 training" in (row.folder / "card.md").read_text()
    del data["finalist"]
    (row.folder / "card.json").write_text(json.dumps(data))
    assert read_card(row.folder).finalist is None
