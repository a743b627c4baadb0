"""What a trial does: train the supernet, or evaluate one candidate with its weights."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from trionet_nni.architecture import Architecture, block_to_dict
from trionet_nni.atomic import write_json
from trionet_nni.config import ProjectConfig, parse_project
from trionet_nni.errors import InputError
from trionet_nni.nnictl.folder import ExperimentFolder
from trionet_nni.nnictl.job import Reporter
from trionet_nni.plugins import load_module, load_table
from trionet_nni.results import Evaluation, ResultsStore

Evaluate = Callable[[ProjectConfig, Path, Architecture, Path], Evaluation]


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
    with _locked(directory.with_suffix(".lock")):
        _set_aside_if_inputs_changed(directory, config, folder)
        if _is_complete(directory, supernet_hash):
            print(f"supernet {supernet_hash} was trained before: its weights are used again", flush=True)
            _report_again(directory, reporter)
        else:
            import torch  # of the whole process, so not for a library function to set

            torch.set_flush_denormal(True)  # tiny attention weights would cost many times the others
            plugin = load_module(config.supernet.strategy, ("train_supernet",), "supernet.strategy")
            with (directory / "curve.jsonl").open("a", buffering=1, encoding="utf-8") as curve:
                plugin.train_supernet(config, directory, _recorded(curve.write, reporter))
    if not _is_complete(directory, supernet_hash):
        raise InputError(f"{directory}: found no trained supernet of {supernet_hash}, allowed: one")
    write_json(folder.supernet, {"directory": str(directory), "hash": supernet_hash})


def run_candidate(folder: ExperimentFolder, parameters: dict[str, Any], reporter: Reporter) -> None:
    """Evaluate one architecture, unless that was done before; store the result, then report it.

    Raises:
        InputError: the parameters are no network of the space, or the result is no finite number.
    """
    config = read_project(folder)
    table = load_table(config.space)
    architecture = Architecture.from_sample(table.space, parameters)
    if not table.contains(architecture):
        raise InputError(f"parameters: found {architecture.to_json()}, allowed: networks of {config.space}")
    store = ResultsStore(folder.evaluations)
    result = store.get(architecture.hash)
    if result is None:
        result = _evaluate(folder, config, architecture)
        try:
            store.add(result)
        except ValueError as error:
            raise InputError(f"{architecture.hash}: {error}") from None
    else:
        print(f"{architecture.hash} was evaluated before: that result is reported", flush=True)
    reporter.final(
        {
            "default": result.accuracy,
            "flops": result.flops,
            "params": result.params,
            "seconds": round(result.seconds, 3),
        }
    )


def read_project(folder: ExperimentFolder) -> ProjectConfig:
    """The experiment's configuration, as the advisor wrote it.

    Raises:
        InputError: it cannot be read.
    """
    try:
        data = json.loads(folder.project.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder.project}: found {error}, allowed: an experiment's settings") from None
    return parse_project(data, str(folder.project))


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


def _evaluate(folder: ExperimentFolder, config: ProjectConfig, architecture: Architecture) -> Evaluation:
    try:
        directory = Path(json.loads(folder.supernet.read_text(encoding="utf-8"))["directory"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder.supernet}: found {error}, allowed: a trained supernet") from None
    return _evaluation_of(config)(config, directory, architecture, folder.cache)


def _evaluation_of(config: ProjectConfig) -> Evaluate:
    """The supernet plug-in's own `evaluate` where it has one, else this project's.

    The module is looked at without NNI being imported wherever that is possible: it costs seconds.
    """
    if config.supernet.strategy == "strategies.one_shot":
        from trionet_nni.evaluation import evaluate

        return evaluate
    plugin = load_module(config.supernet.strategy, (), "supernet.strategy")
    if hasattr(plugin, "evaluate"):
        return cast(Evaluate, plugin.evaluate)
    from trionet_nni.evaluation import evaluate

    return evaluate


def _is_complete(directory: Path, supernet_hash: str) -> bool:
    try:
        complete = json.loads((directory / "complete.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(complete, dict) and complete.get("hash") == supernet_hash


def _recorded(write: Callable[[str], object], reporter: Reporter) -> Callable[[dict[str, float]], None]:
    def report(point: dict[str, float]) -> None:
        write(json.dumps(point) + "\n")
        reporter.intermediate(point)

    return report


def _report_again(directory: Path, reporter: Reporter) -> None:
    """Show the curves of a supernet that was trained for another experiment."""
    try:
        lines = (directory / "curve.jsonl").read_text(encoding="utf-8").splitlines()
        points = [json.loads(line) for line in lines]
    except (OSError, ValueError):
        return
    for point in points:
        reporter.intermediate(point)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process: two experiments must not train the same supernet."""
    with path.open("w") as file:
        waited = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waited:
                    print("another process is training this supernet: waiting for it", flush=True)
                waited = True
                time.sleep(1)
        yield
