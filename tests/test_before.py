"""What earlier commits wrote is read: a search of the quickstart as it was kept on 2026-11-29.

Without its supernet and checkpoints, which are large. A later release reads it, or says in one line that it
does not; an export of the same day is `trionet_nni/export/searched/digits_19m`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from strategies import evolution
from tests.helpers.checkout import ROOT
from trionet_nni.architecture.cost import CostModel
from trionet_nni.cli import main
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import open_run
from trionet_nni.finalists.halving import rungs
from trionet_nni.finalists.results import FinalistStore
from trionet_nni.settings.plugins import load_table
from trionet_nni.supernet.results import ResultsStore

RUN = ROOT / "tests" / "fixtures" / "0.1.0" / "run"
CANDIDATES, BEST, WINNER_LOSS = 44, "b453267dd83dc031", 0.19507674


@pytest.fixture
def folder(tmp_path: Path) -> ExperimentFolder:
    return ExperimentFolder(Path(shutil.copytree(RUN, tmp_path / "run")))


def test_every_result_is_there(folder: ExperimentFolder) -> None:
    store = ResultsStore(folder.evaluations, "loss")
    assert len(store.all()) == CANDIDATES
    assert store.top(1)[0].architecture.hash == BEST
    finalists = open_run(folder).config.search.finalists
    assert finalists is not None
    ladder = rungs(finalists.count, finalists.steps, finalists.repeats)
    (ordered,) = FinalistStore(folder.finalists).ordered(ladder)
    assert (ordered[0].architecture.hash, len(ordered[0].results)) == (BEST, 2)
    assert ordered[0].loss == pytest.approx(WINNER_LOSS, abs=1e-6)


def test_the_search_would_go_on(folder: ExperimentFolder) -> None:
    config = open_run(folder).config
    cost = CostModel(**json.loads(folder.cost.read_text()))
    strategy = evolution.build(config.search, load_table(config.space), cost)
    state = json.loads(folder.strategy.read_text())["strategy"]
    strategy.load_state_dict(state)
    again = strategy.state_dict()
    assert sorted(again["seen"]) == sorted(state["seen"])
    assert again["evaluated"] == state["evaluated"] and len(again["evaluated"]) == CANDIDATES


def test_it_is_reported_and_compared(
    folder: ExperimentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder.root), "-o", str(tmp_path / "report.html")]) == 0
    assert BEST[:8] in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert main(["pareto", str(folder.root)]) == 0
    assert BEST[:8] in capsys.readouterr().out
