"""`trionet search`: run an experiment through nnictl, watch it, export its best networks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from trionet_nni.config import ProjectConfig, read_yaml
from trionet_nni.errors import InputError
from trionet_nni.nnictl import launch
from trionet_nni.nnictl.folder import ExperimentFolder
from trionet_nni.nnictl.screen import Screen
from trionet_nni.nnictl.watch import Snapshot, Watch
from trionet_nni.preflight import check_experiment

_POLL_SECONDS = 1.0
_SETTLED_SECONDS = 3.0  # a last trial that failed is tried again: NNI says DONE for a moment
_PATIENCE_SECONDS = 30.0  # with a manager that does not answer
_TWO_PORTS = ("remote", "openpai", "kubeflow", "frameworkcontroller", "adl", "hybrid")


def search(path: Path, *, port: int | None = None, out: Path = Path("out"), top: int = 5) -> int:
    """Run an experiment from its file to its exported networks.

    Args:
        port: of the portal; a free one from 8080 up when None.
        out: folder for the exported networks.
        top: how many.

    Returns:
        The exit status: 0 done, 1 the experiment failed, 130 interrupted (it goes on by itself).

    Raises:
        InputError: the experiment cannot be run as it is written; nothing was started.
    """
    console = Console()
    _check_options(port, out, top)
    settings = read_yaml(path)
    steps = check(path, settings)
    launch.nnictl()
    try:
        experiment = launch.create(path, port, ports=_ports(settings))
    except RuntimeError as error:
        console.print(f"[red]{error}[/]", highlight=False)
        return 1
    console.print(f"experiment {experiment.id}, portal {experiment.address}", soft_wrap=True)
    try:
        if experiment.interrupted:
            raise KeyboardInterrupt
        folder = experiment.folder()
        last = _watch(console, experiment, folder, steps)
    except KeyboardInterrupt:
        _explain_interrupt(console, experiment)
        return 130
    if last is None or last.status != "DONE":
        _explain_failure(console, experiment, last)
        return 1
    try:
        return _export(console, folder, out, top)
    finally:
        launch.stop(experiment.id)
        console.print(f"The portal's page again: {launch.command('view', experiment.id)}", soft_wrap=True)


def _check_options(port: int | None, out: Path, top: int) -> None:
    """Refuse now what would be refused after the whole search."""
    if top < 1:
        raise InputError(f"--top: found {top}, allowed: 1 or more")
    if port is not None and not 1 <= port <= 65535:
        raise InputError(f"--port: found {port}, allowed: 1 to 65535")
    if any(place.exists() and not place.is_dir() for place in (out, *out.parents)):
        raise InputError(f"--out: found {out}, allowed: a folder")


def check(path: Path, settings: dict[str, Any]) -> int:
    """Look at everything that can be wrong before anything starts.

    Returns:
        Optimizer steps of the supernet's training.

    Raises:
        InputError: the first thing that is wrong.
    """
    checked = check_experiment(path, settings)
    return _steps(checked.config, checked.task.images)


def _steps(config: ProjectConfig, images: int) -> int:
    from trionet_nni.training.recipe import total_steps

    recipe = config.supernet.recipe
    return total_steps(recipe, images // recipe.batch_size)


def _ports(settings: dict[str, Any]) -> int:
    service = settings.get("trainingService")
    platform = service.get("platform") if isinstance(service, dict) else "hybrid"
    return 2 if platform in _TWO_PORTS else 1


def _watch(
    console: Console, experiment: launch.Experiment, folder: ExperimentFolder, steps: int
) -> Snapshot | None:
    """Show progress to the end; None where the experiment was stopped from elsewhere."""
    watch = Watch(experiment.manager, folder, steps)
    answered = settled = time.monotonic()
    with Screen(console, experiment.address) as screen:
        while True:
            try:
                snapshot = watch.snapshot()
                answered = time.monotonic()
                screen.show(snapshot)
                if not snapshot.over:
                    settled = answered
                elif snapshot.status != "DONE" or answered - settled > _SETTLED_SECONDS:
                    return snapshot
            except (OSError, ValueError):
                if time.monotonic() - answered > _PATIENCE_SECONDS:
                    return None
            time.sleep(_POLL_SECONDS)


def _export(console: Console, folder: ExperimentFolder, out: Path, top: int) -> int:
    from trionet_nni.export import export, print_exported
    from trionet_nni.report.pareto import print_common_front

    try:
        rows = export(folder.root, top, out)
        print_common_front(folder.root, rows)
        print_exported(rows, out)
    except InputError as error:
        console.print(f"[red]{error}[/]", highlight=False)
        return 1
    return 0


def _explain_interrupt(console: Console, experiment: launch.Experiment) -> None:
    console.print(f"\nThe experiment {experiment.id} goes on without this terminal.")
    for text, line in (
        ("look", experiment.address),
        ("stop", launch.command("stop", experiment.id)),
        ("go on after a stop", launch.command("resume", experiment.id)),
        ("export when it is done", f"trionet export {experiment.id}"),
    ):
        console.print(f"  {text}: {line}", soft_wrap=True, highlight=False)


def _explain_failure(console: Console, experiment: launch.Experiment, last: Snapshot | None) -> None:
    if last is None or last.status != "ERROR":
        console.print(f"The experiment {experiment.id} was stopped. It goes on with:")
        console.print(launch.command("resume", experiment.id), soft_wrap=True, highlight=False)
        return
    for error in last.errors:
        console.print(f"[red]the experiment failed:[/] {error}", soft_wrap=True, highlight=False)
    launch.stop(experiment.id)
    view = launch.command("view", experiment.id)
    resume = launch.command("resume", experiment.id)
    console.print(f"look at it: {view}\ntry again from here: {resume}", soft_wrap=True, highlight=False)
