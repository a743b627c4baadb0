"""`trionet search`: refusals before anything starts, the run itself, and what it says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from rich.console import Console

from spaces.small import TABLE
from tests.helpers.toy_experiment import ToyExperiment
from tests.helpers.toy_supernet import toy_score
from trionet_nni.architecture.cost import CostModel
from trionet_nni.commands import accompany as searching
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.export import best as exporting
from trionet_nni.files.locks import lock
from trionet_nni.nnictl.search.in_process import search_in_process
from trionet_nni.nnictl.terminal import launch
from trionet_nni.nnictl.terminal.screen import Screen, panel, summary
from trionet_nni.nnictl.terminal.watch import Snapshot, Watch
from trionet_nni.settings.project import SearchConfig


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyExperiment]:
    experiment = ToyExperiment(tmp_path, monkeypatch)

    def remember(name: str) -> None:
        start = getattr(launch, name)

        def remembered(*arguments: Any, **options: Any) -> launch.Experiment:
            experiment.started.append(start(*arguments, **options))
            return experiment.started[-1]

        monkeypatch.setattr(launch, name, remembered)

    remember("create")
    remember("resume")
    monkeypatch.setattr(searching, "_POLL_SECONDS", 0.2)
    try:
        yield experiment
    finally:
        experiment.close()


def test_search_from_file_to_export(
    toy: ToyExperiment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exported: list[tuple[Path, int, Path]] = []
    monkeypatch.setattr(exporting, "export", lambda *given: exported.append(given) or [])
    monkeypatch.setattr(exporting, "print_exported", lambda rows, out: sockets.extend(toy.sockets()))
    sockets: list[Any] = []
    toy.write(trials=5)
    assert searching.search(toy.yaml, out=Path("out"), top=3) == 0
    said = capsys.readouterr().out
    assert exported == [(toy.experiment_folder.root, 3, Path("out"))]
    assert re.search(r"experiment \w{8}, portal http://127\.0\.0\.1:\d+", said)
    assert "candidates: 4 of 4, 0 failed, best " in said
    # Before it was stopped: manager, advisor and evaluators listen on this machine only.
    assert sockets and {socket.laddr.ip for socket in sockets} <= {"127.0.0.1", "::1"}
    assert f"loopback.cjs nnictl view {toy.id}" in re.sub(r"\S*/nnictl view", "nnictl view", said)
    with pytest.raises(OSError):
        toy.manager.get("/check-status")  # it was stopped


@pytest.mark.slow
def test_failure_is_shown(toy: ToyExperiment, capsys: pytest.CaptureFixture[str]) -> None:
    toy.set(TOY_SUPERNET="fails")
    toy.write()
    assert searching.search(toy.yaml) == 1
    said = capsys.readouterr().out
    assert "the toy supernet was told to fail" in said and f"resume {toy.id}" in said


@pytest.mark.slow
def test_unfinished_search_goes_on(
    toy: ToyExperiment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At concurrency 1 its candidates are those of a search that nothing happened to, in this order."""
    monkeypatch.setattr(exporting, "export", lambda *given: [])
    monkeypatch.setattr(exporting, "print_exported", lambda rows, out: None)
    settings = yaml.safe_load(toy.write(trials=8).read_text())
    toy.yaml.write_text(yaml.safe_dump({**settings, "trialConcurrency": 1}))
    toy.set(TOY_SECONDS="0.5")
    killed: list[int] = []

    def disturb(snapshot: Snapshot) -> None:
        if len(killed) < 2 and len(toy.store) >= (2, 4)[len(killed)]:
            victim = toy.advisor() if killed else psutil.Process(toy.pid())
            if victim is not None:
                killed.append(victim.pid)
                victim.kill()

    monkeypatch.setattr(Screen, "show", lambda screen, snapshot: disturb(snapshot))
    assert searching.search(toy.yaml) == 1 and len(killed) == 1
    assert "trionet search" in capsys.readouterr().out
    assert searching.search(toy.yaml) == 1 and len(killed) == 2
    assert "going on with experiment" in capsys.readouterr().out
    assert searching.search(toy.yaml) == 0
    assert {experiment.id for experiment in toy.started} == {toy.id}
    order = [item["hash"] for item in toy.evaluated(7)]
    done = [what for what, _ in toy.calls("done")]
    assert order == done == undisturbed(7)

    class AnotherOne(Exception):
        pass

    def create(*_: object, **__: object) -> None:
        raise AnotherOne

    monkeypatch.setattr(launch, "create", create)
    with pytest.raises(AnotherOne):  # for this one is finished
        searching.search(toy.yaml)


def undisturbed(candidates: int) -> list[str]:
    """What the same search proposes, without nnictl."""
    config = SearchConfig(max_flops=2.0e7, population=4, parents=2)
    cost = CostModel(classes=10, channels=1, image_size=28)
    models = search_in_process(config, TABLE, cost, toy_score, candidates)
    return [model.architecture.hash for model in models]


@pytest.mark.slow
def test_a_new_experiment_takes_the_results_of_one_whose_database_is_gone(
    toy: ToyExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "export", lambda *given: [])
    monkeypatch.setattr(exporting, "print_exported", lambda rows, out: None)
    finalists = {"count": 2, "steps": 2, "repeats": 1}
    toy.write(trials=7, finalists=finalists, nni={"trialConcurrency": 1})
    assert searching.search(toy.yaml) == 0
    before, first = toy.calls("done") + toy.calls("step"), toy.experiment_folder
    (first.root / "db" / "nni.sqlite").write_bytes(b"no database")
    assert searching.search(toy.yaml, origin=first.root.name) == 0
    assert toy.experiment_folder.root != first.root and len(toy.store) == 4
    assert toy.calls("done") + toy.calls("step") == before  # nothing was computed again
    assert [item["hash"] for item in toy.evaluated(4)] == undisturbed(4)
    toy.write(trials=7, finalists=finalists, supernet={"curve_points": 3, "sandwich": False})
    with pytest.raises(InputError, match=r"--from: found .*, an experiment with supernet \w+,"):
        searching.search(toy.yaml, origin=str(first.root))


@pytest.mark.slow
def test_interrupt_leaves_the_experiment_running(
    toy: ToyExperiment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(searching, "_watch", interrupt)
    toy.write()
    assert searching.search(toy.yaml) == 130
    said = capsys.readouterr().out
    assert f"stop {toy.id}" in said and f"resume {toy.id}" in said and f"trionet export {toy.id}" in said
    assert isinstance(toy.manager.get("/check-status"), (dict, str))


def test_what_cannot_be_read_is_told_and_not_taken_for_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(watch: Watch) -> Snapshot:
        raise InputError("project.json: colour: found 1, allowed: no such key")

    monkeypatch.setattr(Watch, "snapshot", unreadable)
    monkeypatch.setattr(searching, "_PATIENCE_SECONDS", 0.0)
    console = Console(file=io.StringIO())
    experiment = launch.Experiment("abc", 8080)
    with pytest.raises(InputError, match="colour: found 1"):
        searching._watch(console, experiment, ExperimentFolder(tmp_path), 4)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"search": {"max_flops": 1}}, "search.max_flops: found 1, allowed: 5.424e+06 to"),
        ({"search": {"max_flops": -1}}, "tuner.classArgs: search.max_flops: found -1"),
        ({"search": {"max_flops": 1e7, "colour": 1}}, "search.colour: found 1"),
        ({"space": "spaces.none"}, "space: found 'spaces.none'"),
        ({"supernet": {"strategy": "strategies.none"}}, "supernet.strategy: found 'strategies.none'"),
        ({"supernet": {"recipe": {"batch_size": 9999}}}, "batch_size: found 9999, allowed: up to the"),
        ({"data": {"name": "folder", "root": "nowhere"}}, "data.root"),
    ],
)
def test_refused_before_anything_starts(
    toy: ToyExperiment, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    settings = yaml.safe_load(toy.write().read_text())
    settings["tuner"]["classArgs"].update(change)
    toy.yaml.write_text(yaml.safe_dump(settings))
    with pytest.raises(InputError) as refused:
        searching.search(toy.yaml)
    assert str(refused.value).startswith(f"{toy.yaml}: ") and message in str(refused.value)
    assert not toy.started and not (toy.folder / "home" / "nni-experiments").exists()


@pytest.mark.parametrize("looks", [1, 2])
def test_a_second_search_of_one_file_is_refused(
    toy: ToyExperiment, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """At its first look; or at its second one, when the other search began while this one prepared."""
    toy.write()
    other = ExperimentFolder(toy.folder / "runs" / "other001")
    found = iter([None, other][2 - looks :])
    monkeypatch.setattr(searching, "unfinished", lambda *_: next(found))
    monkeypatch.setattr(launch, "create", None)
    with lock(other.terminal), pytest.raises(InputError, match=r"toy\.yml: found a search of it under way"):
        searching.search(toy.yaml)


def test_file_that_nni_refuses(toy: ToyExperiment) -> None:
    settings = yaml.safe_load(toy.write().read_text())
    toy.yaml.write_text(yaml.safe_dump({**settings, "trainingService": {"platform": "openpai"}}))
    with pytest.raises(InputError, match="nnictl refuses it"):
        searching.search(toy.yaml)


def test_port_in_use_is_refused(toy: ToyExperiment) -> None:
    import socket

    toy.write()
    refused = pytest.raises(InputError, match=r"--port: found \d+, which is in use")
    with socket.create_server(("127.0.0.1", 0)) as taken, refused:
        searching.search(toy.yaml, port=taken.getsockname()[1])


def test_screen_without_a_terminal_speaks_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(Console(), "http://127.0.0.1:1") as screen:
        for step in range(5):
            screen.show(Snapshot("RUNNING", "supernet", step, 10))
        for done in range(5):
            screen.show(Snapshot("RUNNING", "candidates", done=done, total=5))
        screen.show(Snapshot("DONE", "candidates", done=5, total=5))
    assert capsys.readouterr().out.splitlines() == [
        "supernet: step 0 of 10",
        "candidates: 0 of 5, 0 failed",
        "candidates: 5 of 5, 0 failed",
    ]


def test_panel_shows_stage_best_and_portal() -> None:
    console = Console(width=100, record=True, force_terminal=False, file=io.StringIO())
    console.print(panel(Snapshot("RUNNING", "supernet", 3, 9, {"default": 0.5, "conv": 0.25}), "http://p"))
    console.print(panel(Snapshot("RUNNING", "candidates", done=2, total=8, failed=1, eta=75), "http://p"))
    said = console.export_text()
    for part in ("3 of 9", "mean 50.0%, conv 25.0%", "2 of 8", "none yet", "1 min 15 s", "http://p"):
        assert part in said
    assert summary(Snapshot("INITIALIZED", "starting")) == "starting (initialized)"
