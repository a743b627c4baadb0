"""What a trial does: train the supernet, or evaluate one candidate with its weights."""

from __future__ import annotations

from typing import Any

from trionet_nni.data import opened_once
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import open_run
from trionet_nni.files.atomic import write_json
from trionet_nni.nnictl.candidate.alive import is_away
from trionet_nni.nnictl.candidate.cards import take_cards
from trionet_nni.nnictl.candidate.job import Reporter
from trionet_nni.nnictl.candidate.scoring import Scoring, metrics
from trionet_nni.nnictl.candidate.time_limit import time_limit
from trionet_nni.supernet.train import ensure_supernet
from trionet_nni.training.process import prepare_process


def run_supernet(folder: ExperimentFolder, parameters: dict[str, Any], reporter: Reporter) -> None:
    """Train the supernet of this configuration, go on with it, or find it complete.

    It reports intermediate results only: a final one would put the supernet among the candidates.

    Raises:
        InputError: the configuration cannot be trained.
    """
    config = open_run(folder).config
    supernet_hash = config.supernet_hash()
    take_cards(config.supernet.devices)
    directory = folder.supernet_directory(supernet_hash)
    with opened_once():
        ensure_supernet(config, directory, folder.cache, reporter.intermediate)
    write_json(folder.supernet, {"directory": str(directory), "hash": supernet_hash})


def run_candidate(folder: ExperimentFolder, parameters: dict[str, Any], reporter: Reporter) -> None:
    """Evaluate one architecture in this process; the result is stored before it is reported.

    Raises:
        InputError: the parameters are no candidate, or the result is no finite number.
    """
    prepare_process()
    scoring = Scoring(folder)
    with time_limit(scoring.config.search.time_limit):
        result = scoring.score(parameters)
    evaluation = result.to_dict() if is_away() else None
    reporter.final(metrics(result, scoring.config.search.metric), evaluation)
