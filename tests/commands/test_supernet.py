"""`trionet supernet`: what it trains is what a search of the same file uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.checkout import ROOT
from trionet_nni.cli import main
from trionet_nni.experiment.check import check_experiment
from trionet_nni.experiment.open import open_experiment
from trionet_nni.settings.changes import parse_changes
from trionet_nni.supernet.folder import is_complete

FILE = ROOT / "experiments" / "quickstart.yml"


def test_it_trains_once_and_says_what_to_type_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [f"experimentWorkingDirectory={tmp_path}", "supernet.recipe.steps=2"]
    settings += ["supernet.recipe.warmup_epochs=0", "supernet.curve_points=1"]
    settings += ["supernet.recipe.batch_size=16", "supernet.recipe.micro_batch=8", "trialConcurrency=1"]
    typed = ["supernet", str(FILE), *(part for one in settings for part in ("--set", one))]
    assert main(typed) == 0
    said = capsys.readouterr().out
    config = check_experiment(open_experiment(FILE, parse_changes(settings))).config
    folder = tmp_path / "supernets" / config.supernet_hash()
    assert f"Supernet: {folder}\n" in said and "step 2, largest network of each operator: conv 0." in said
    assert f"Next: trionet search {FILE} --set " in said
    assert is_complete(folder, config.supernet_hash())
    weights = folder / "supernet.safetensors"
    before = weights.stat().st_mtime_ns
    assert main(typed) == 0
    assert "was trained before" in capsys.readouterr().out and weights.stat().st_mtime_ns == before


def test_what_does_not_fit_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["supernet", str(FILE), "--set", "supernet.recipe.micro_batch=7"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "micro_batch: found 7, allowed: a divisor of batch_size" in line
