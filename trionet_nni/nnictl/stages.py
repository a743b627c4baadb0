"""What a trial does: train the supernet, or evaluate one candidate with its weights."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trionet_nni.architecture import block_to_dict
from trionet_nni.atomic import write_json
from trionet_nni.config import ProjectConfig
from trionet_nni.errors import InputError
from trionet_nni.nnictl.curve import Curve
from trionet_nni.nnictl.folder import ExperimentFolder
from trionet_nni.nnictl.job import Reporter
from trionet_nni.nnictl.locks import lock
from trionet_nni.nnictl.scoring import Scoring, metrics, read_project
from trionet_nni.plugins import load_module, load_table
from trionet_nni.supernet_folder import CURVE, is_complete
from trionet_nni.training.process import prepare_process


def run_supernet(folder: ExperimentFolder, parameters: dict[str, Any], reporter: Reporter) -> None:
    """Train the supernet of this configuration, go on with it, or find it complete.

    It reports intermediate results only: a final one would put the supernet among the candidates.

    Raises:
        InputError: the configuration cannot be trained.
    """
    config = read_project(folder)
    supernet_hash = config.supernet_hash()
    directory = folder.supernet_directory(supernet_hash)
    directory.mkdir(parents=True, exist_ok=True)
    with lock(directory.with_suffix(".lock"), waiting=_say_that_it_waits):
        _set_aside_if_inputs_changed(directory, config, folder)
        curve = Curve(directory / CURVE)
        if is_complete(directory, supernet_hash):
            print(f"supernet {supernet_hash} was trained before: its weights are used again", flush=True)
            for point in curve.points():
                reporter.intermediate(point)
        else:
            prepare_process()
            plugin = load_module(config.supernet.strategy, ("train_supernet",), "supernet.strategy")
            plugin.train_supernet(config, directory, _recorded(curve, reporter))
    if not is_complete(directory, supernet_hash):
        raise InputError(f"{directory}: found no trained supernet of {supernet_hash}, allowed: one")
    write_json(folder.supernet, {"directory": str(directory), "hash": supernet_hash})


def run_candidate(folder: ExperimentFolder, parameters: dict[str, Any], reporter: Reporter) -> None:
    """Evaluate one architecture in this process; the result is stored before it is reported.

    Raises:
        InputError: the parameters are no candidate, or the result is no finite number.
    """
    prepare_process()
    reporter.final(metrics(Scoring(folder).score(parameters)))


def _set_aside_if_inputs_changed(directory: Path, config: ProjectConfig, folder: ExperimentFolder) -> None:
    """A supernet of other images or another table is not used again, though its settings read the same.

    Its search or test images of today may have been its training images of then.
    """
    from trionet_nni.data import load_splits

    table = load_table(config.space)
    inputs = {
        "data": load_splits(config.data, folder.cache).record,
        "blocks": [block_to_dict(block) for block in table.blocks],
        "depths": table.depths,
    }
    file = directory / "inputs.json"
    current = json.loads(json.dumps(inputs))
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != current:
        aside = directory.with_name(f"{directory.name}-until-{time.strftime('%Y%m%d-%H%M%S')}")
        directory.rename(aside)
        print(f"images or space have changed: the supernet of before is now {aside}", flush=True)
    directory.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        write_json(file, current)


def _recorded(curve: Curve, reporter: Reporter) -> Callable[[dict[str, float]], None]:
    def report(point: dict[str, float]) -> None:
        curve.add(point)
        reporter.intermediate(point)

    return report


def _say_that_it_waits() -> None:
    print("another process is training this supernet: waiting for it", flush=True)
