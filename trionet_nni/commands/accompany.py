"""`trionet search`: run an experiment through nnictl, watch it, export its best networks."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from trionet_nni.errors import InputError
from trionet_nni.experiment.check import check_experiment
from trionet_nni.experiment.effective import effective_text, write_effective
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import Experiment, open_experiment
from trionet_nni.files.atomic import write_text
from trionet_nni.files.locks import lock, try_lock
from trionet_nni.nnictl.candidate.awake import Awake
from trionet_nni.nnictl.hosts.check import check_hosts
from trionet_nni.nnictl.search.taken import FROM, origin_of
from trionet_nni.nnictl.terminal import launch
from trionet_nni.nnictl.terminal.resume import MARK, advisor_lives, go_on, mark_of, unfinished
from trionet_nni.nnictl.terminal.screen import Screen
from trionet_nni.nnictl.terminal.watch import Snapshot, Watch
from trionet_nni.settings.changes import Change
from trionet_nni.settings.project import ProjectConfig

_POLL_SECONDS = 1.0
_SETTLED_SECONDS = 3.0  # a last trial that failed is tried again: NNI says DONE for a moment
_LONGEST_SECONDS = 10.0  # between two looks, on a busy machine
_PATIENCE_SECONDS = 30.0  # with a manager that does not answer
_REFUSED_SECONDS = 3.0  # with a port that nobody listens on
_ADVISOR_SECONDS = 75.0  # until the process that searches has come up
_WIDOW_SECONDS = 3.0  # without it, once it has been there; NNI itself notices after half a minute
_NO_ADVISOR = "the process that searches, beside NNI's manager, has died; no result is lost"
_TWO_PORTS = ("remote", "openpai", "kubeflow", "frameworkcontroller", "adl", "hybrid")


def search(
    path: Path,
    *,
    port: int | None = None,
    out: Path = Path("out"),
    top: int = 5,
    new: bool = False,
    minutes: float | None = None,
    changes: Sequence[Change] = (),
    quiet: bool = False,
    origin: str | None = None,
) -> int:
    """Run an experiment from its file to its exported networks, or go on with one that was not finished.

    Args:
        port: of the portal; a free one from 8080 up when None.
        out: folder for the exported networks.
        top: how many.
        new: start a new experiment, though one of this file is unfinished.
        minutes: that all of it may take on this machine; the schedule is set for it.
        changes: of the file's settings. A search with other options is another search.
        quiet: show no progress.
        origin: an earlier experiment, by folder or NNI's id, whose results a new one takes.

    Returns:
        The exit status: 0 done, 1 the experiment failed, 130 interrupted (it goes on by itself).

    Raises:
        InputError: the experiment cannot be run as it is written; nothing was started.
    """
    console = Console()
    _check_options(port, out, top)
    _check_minutes(minutes)
    experiment = open_experiment(path, changes)
    launch.nnictl()
    try:
        started = _start(console, experiment, port, new, minutes, origin)
    except RuntimeError as error:
        console.print(f"[red]{error}[/]", highlight=False)
        return 1
    again, screen = _typed(path, minutes, changes, origin), Console(quiet=quiet)
    with started.watched:
        return _accompany(console, screen, started.experiment, again, started.steps, out, top)


@dataclass(frozen=True)
class _Started:
    """A running experiment.

    Attributes:
        watched: a lock that says that this process watches it.
        steps: of the supernet's training.
    """

    experiment: launch.Experiment
    watched: IO[str]
    steps: int


def _typed(path: Path, minutes: float | None, changes: Sequence[Change], origin: str | None) -> str:
    """The command that goes on with this search."""
    options = [] if minutes is None else ["--minutes", f"{minutes:g}"]
    options += [] if origin is None else ["--from", origin]
    for change in changes:
        options += ["--set", str(change)]
    return shlex.join(["trionet", "search", str(path), *options])


def _start(
    console: Console,
    file: Experiment,
    port: int | None,
    new: bool,
    minutes: float | None,
    origin: str | None,
) -> _Started:
    """Go on with an experiment of this file and these options, or create one."""
    working, ports = file.working, _ports(file.settings)
    options = {"--minutes": minutes, "--from": origin}
    given = {name: value for name, value in options.items() if value is not None}
    mark = mark_of(file.path, {**file.settings, **given})
    started = None
    if not new and working.is_dir():
        with launch.starting(working):
            started = _gone_on(console, file.path, unfinished(mark, working), port, ports)
    if started is None:
        file, remarks = _scheduled(console, file, minutes)
        checked = check_experiment(file)
        check_hosts(file, checked)
        steps = _steps(checked.config, checked.task.images)
        environment = {MARK: mark}
        if origin is not None:
            environment[FROM] = str(origin_of(origin, checked.config))
        working.mkdir(parents=True, exist_ok=True)
        text = effective_text(file, remarks) if file.changes else None
        path = file.path if text is None else write_effective(file, text)
        with launch.starting(working):
            meanwhile = None if new else unfinished(mark, working)
            if meanwhile is not None:
                raise _under_way(file.path, meanwhile)
            experiment = launch.create(path, port, ports=ports, environment=environment)
            folder = ExperimentFolder(working / experiment.id)
            started = _Started(experiment, lock(folder.terminal), steps)
        write_text(folder.steps, f"{steps}\n")
        if text is not None:
            write_text(folder.given, text)
    experiment = started.experiment
    console.print(f"experiment {experiment.id}, portal {experiment.address}", soft_wrap=True)
    return started


def _scheduled(
    console: Console, file: Experiment, minutes: float | None
) -> tuple[Experiment, tuple[str, ...]]:
    """The experiment with the schedule of so many minutes, and what is to be said about it."""
    if minutes is None:
        return file, ()
    from trionet_nni.plan.plan import plan_of
    from trionet_nni.plan.schedule import fitted

    console.print("a few steps of each stage are measured", highlight=False)
    plan = plan_of(file)
    schedule = fitted(plan, file.config, plan.images["train"], minutes)
    remarks = schedule.remarks(plan)
    console.print("\n".join(remarks), soft_wrap=True, highlight=False)
    return file.changed(schedule.changes), remarks


def _gone_on(
    console: Console, path: Path, begun: ExperimentFolder | None, port: int | None, ports: int
) -> _Started | None:
    """An unfinished experiment, running again; None where there is none.

    Raises:
        InputError: another terminal watches it.
    """
    if begun is None:
        return None
    watched = try_lock(begun.terminal)
    if watched is None:
        raise _under_way(path, begun)
    console.print(f"going on with experiment {begun.root.name}, which was not finished", highlight=False)
    steps = int(begun.steps.read_text(encoding="utf-8")) if begun.steps.exists() else 0
    return _Started(go_on(begun, port, ports), watched, steps)


def _under_way(path: Path, begun: ExperimentFolder) -> InputError:
    found = f"{path}: found a search of it under way (experiment {begun.root.name})"
    return InputError(f"{found}, allowed: its end in the other terminal, or --new for one more")


def _accompany(
    console: Console,
    screen: Console,
    experiment: launch.Experiment,
    again: str,
    steps: int,
    out: Path,
    top: int,
) -> int:
    """Watch an experiment to its end and export its best networks; the exit status."""
    try:
        if experiment.interrupted:
            raise KeyboardInterrupt
        folder = experiment.folder()
        last = _watch(screen, experiment, folder, steps)
    except KeyboardInterrupt:
        _explain_interrupt(console, experiment, again)
        return 130
    except OSError:
        last = None
    if last is None or last.status != "DONE":
        _explain_failure(console, experiment, again, last)
        return 1
    try:
        status = _export(console, folder, out, top)
        if status == 0:
            write_text(folder.finished, "exported\n")
        return status
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


def _check_minutes(minutes: float | None) -> None:
    if minutes is not None and not 0 < minutes < math.inf:
        raise InputError(f"--minutes: found {minutes:g}, allowed: a time above 0")


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
    """Show progress to the end; None where the manager is gone.

    Raises:
        InputError: something that the experiment wrote cannot be read, for longer than a moment.
    """
    watch = Watch(experiment.manager, folder, steps)
    awake = Awake(_LONGEST_SECONDS)
    answered = settled = awake.seconds()
    expected = answered + _ADVISOR_SECONDS  # when the advisor must be there
    with Screen(console, experiment.address) as screen:
        while True:
            try:
                snapshot = watch.snapshot()
                answered = awake.seconds()
                screen.show(snapshot)
                if not snapshot.over:
                    settled = answered
                elif snapshot.status != "DONE" or answered - settled > _SETTLED_SECONDS:
                    return snapshot
                if snapshot.over or advisor_lives(folder):
                    expected = answered + _WIDOW_SECONDS
                elif answered > expected:
                    return replace(snapshot, status="ERROR", errors=(_NO_ADVISOR,))
            except (OSError, ValueError) as error:
                patience = _REFUSED_SECONDS if _refused(error) else _PATIENCE_SECONDS
                if awake.seconds() - answered > patience:
                    if isinstance(error, InputError):  # not gone: written by another version, or damaged
                        raise
                    return None
            time.sleep(_POLL_SECONDS)


def _refused(error: Exception) -> bool:
    """Nobody listens: not a busy manager, but none."""
    return isinstance(getattr(error, "reason", error), ConnectionRefusedError)


def _export(console: Console, folder: ExperimentFolder, out: Path, top: int) -> int:
    from trionet_nni.export.best import export, print_exported
    from trionet_nni.report.pareto import print_common_front

    try:
        rows = export(folder.root, top, out)
        print_common_front(folder.root, rows)
        _report(console, folder, out)
        print_exported(rows, out)
    except InputError as error:
        console.print(f"[red]{error}[/]", highlight=False)
        return 1
    return 0


def _report(console: Console, folder: ExperimentFolder, out: Path) -> None:
    """Write the search's page beside its networks, where figures can be drawn."""
    if find_spec("matplotlib") is None:
        return
    from trionet_nni.report.page.page import write_report

    path = out / "report.html"
    try:
        write_report(folder.root, path)
    except InputError as error:
        console.print(
            f"There is no page of the search: {error}", soft_wrap=True, highlight=False, markup=False
        )
        return
    console.print(f"The search as one page: {path}", soft_wrap=True, highlight=False)


def _explain_interrupt(console: Console, experiment: launch.Experiment, again: str) -> None:
    console.print(f"\nThe experiment {experiment.id} goes on without this terminal.")
    for text, line in (
        ("look", experiment.address),
        ("watch it again, to its end", again),
        ("stop", launch.command("stop", experiment.id)),
        ("go on after a stop", launch.command("resume", experiment.id)),
        ("export when it is done", f"trionet export {experiment.id}"),
    ):
        console.print(f"  {text}: {line}", soft_wrap=True, highlight=False)


def _explain_failure(
    console: Console, experiment: launch.Experiment, again: str, last: Snapshot | None
) -> None:
    resume = f"{again}, or {launch.command('resume', experiment.id)}"
    if last is None or last.status != "ERROR":
        console.print(f"The experiment {experiment.id} was stopped. It goes on with:")
        console.print(resume, soft_wrap=True, highlight=False)
        return
    for error in last.errors:
        console.print(f"[red]the experiment failed:[/] {error}", soft_wrap=True, highlight=False)
    launch.stop(experiment.id)
    view = launch.command("view", experiment.id)
    console.print(f"look at it: {view}\ntry again from here: {resume}", soft_wrap=True, highlight=False)
