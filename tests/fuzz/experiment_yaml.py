"""Experiment files, up to where an experiment would look at its pictures.

Plug-ins are not looked for: an experiment names code and runs it (SECURITY.md).
"""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.fuzz.target import Target
from tests.helpers.checkout import ROOT
from tests.hostile.bench import experiment
from trionet_nni.experiment.check import check_cards, check_trials, in_file, nni_value
from trionet_nni.experiment.nni_file import check_nni
from trionet_nni.experiment.open import open_experiment


def _read(data: bytes, folder: Path) -> None:
    path = folder / "experiment.yml"
    path.write_bytes(data)
    found = open_experiment(path)
    check_nni(path, found.settings)
    assert found.working.is_absolute()
    with in_file(path):
        config = found.config
        check_trials(config.search, nni_value(found.settings, "maxTrialNumber"))
        check_cards(found.settings)
    assert config.supernet_hash() and config.search.limits


def _seeds() -> list[bytes]:
    """The shipped files with this checkout for their code, and what the hostile inputs are made from."""
    code = str(ROOT)
    shipped = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "experiments").glob("*.yml"))]
    here = [text.replace("codeDirectory: ..", f"codeDirectory: {code}") for text in shipped]
    here = [text.replace("trialCodeDirectory: ..", f"trialCodeDirectory: {code}") for text in here]
    return [yaml.safe_dump(experiment()).encode(), *(text.encode() for text in here)]


TARGET = Target("experiment_yaml", _read, _seeds)
