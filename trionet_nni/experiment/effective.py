"""An experiment file as it is really run: with all changes, and with paths that hold from anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from trionet_nni.experiment.nni_file import beside
from trionet_nni.experiment.open import Experiment
from trionet_nni.files.atomic import write_text
from trionet_nni.settings.changes import source

FOLDER = "settings"  # of experimentWorkingDirectory: the files of experiments with changes
_PATHS = ("trialCodeDirectory", "searchSpaceFile", "experimentWorkingDirectory")
_DIGITS = 12


def effective_text(experiment: Experiment, remarks: Sequence[str] = ()) -> str:
    """The file to run, which says on top where it comes from; running it needs no options.

    Args:
        remarks: lines about the changes: what was chosen, and why.
    """
    settings = dict(experiment.settings)
    for name in _PATHS:
        if isinstance(settings.get(name), str):
            settings[name] = _absolute(experiment.path, settings[name])
    settings["tuner"] = {**settings["tuner"], "codeDirectory": str(experiment.code)}
    head = [f"Made from {source(experiment.path.resolve(), experiment.changes)}.", *remarks]
    comments = "".join(f"# {line}\n" for line in head)
    return comments + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def write_effective(experiment: Experiment, text: str) -> Path:
    """Write it among the files of its working directory; the same text is the same file."""
    mark = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    folder = experiment.working / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{experiment.path.stem}-{mark}.yml"
    write_text(path, text)
    return path


def _absolute(path: Path, given: Any) -> str:
    return str(beside(path, given, path.parent))
