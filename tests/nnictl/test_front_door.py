"""nnictl typed by hand in this project's environment, in a pseudo-terminal where one matters."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.patience import until
from tests.helpers.toy_experiment import ToyExperiment
from trionet_nni.nnictl.manager.portal import free_port
from trionet_nni.nnictl.terminal import launch
from trionet_nni.nnictl.terminal.front_door import is_ours

NNICTL = [sys.executable, "-m", "trionet_nni.nnictl.terminal.front_door"]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyExperiment]:
    experiment = ToyExperiment(tmp_path, monkeypatch)
    try:
        yield experiment
    finally:
        for name, entry in launch.listed().items():
            if entry["status"] != "STOPPED":
                launch.stop(name)


def nnictl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*NNICTL, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)


class Terminal:
    """A pseudo-terminal with a shell line in it."""

    def __init__(self, *arguments: str) -> None:
        self.said = ""
        self.process, self._end = pty.fork()
        if self.process == 0:
            os.chdir(ROOT)
            os.execv(
                "/bin/sh", ["sh", "-c", f'{" ".join(NNICTL + list(arguments))}; echo "status $?"; cat']
            )
        os.set_blocking(self._end, False)

    def until(self, pattern: str) -> re.Match[str]:
        found: list[re.Match[str]] = []

        def seen() -> bool:
            with suppress(BlockingIOError, OSError):
                self.said += os.read(self._end, 65536).decode(errors="replace")
            if match := re.search(pattern, self.said):
                found.append(match)
            return bool(found)

        until(seen, lambda: self.said, pause=0.1)
        return found[0]

    def close(self) -> None:
        os.close(self._end)
        os.waitpid(self.process, 0)


def test_whose_file_it_is(tmp_path: Path):
    ours, broken, other = (tmp_path / name for name in ("ours.yml", "broken.yml", "other.yml"))
    ours.write_text("tuner: {className: trionet_nni.nnictl.advisor.TrioNetAdvisor}\n")
    broken.write_text("tuner:\n\tclassName: trionet_nni.nnictl.advisor.TrioNetAdvisor\n")
    other.write_text("# not trionet_nni.nnictl.advisor.TrioNetAdvisor\ntuner: {className: TPE}\n")
    assert is_ours(ours) and is_ours(broken)
    assert not is_ours(other) and not is_ours(tmp_path / "missing.yml")


def test_what_is_wrong_is_one_line_and_status_2(toy: ToyExperiment):
    toy.write()
    text = toy.yaml.read_text()
    for written in (
        text.replace("population: 4", "population: 1"),
        text.replace("tuner:", "tuner"),
        text.replace("trialConcurrency: 2", "trialConcurrency: 2\ntrialGpuNumber: 999"),
    ):
        toy.yaml.write_text(written)
        done = nnictl("create", "--config", str(toy.yaml))
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1 and done.stderr.startswith(f"nnictl: {toy.yaml}")
        assert "allowed" in done.stderr and not done.stdout
    assert not launch.listed() and not toy.processes()


def test_other_commands_are_nnis_own(toy: ToyExperiment):
    assert "3.0" in nnictl("--version").stdout
    done = nnictl("create", "--config", "no-such-file.yml")
    assert done.returncode == 1 and "not a valid file" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_search_that_fails_at_its_start_is_told_and_leaves_nothing_running(toy: ToyExperiment):
    toy.write(strategy="tests.helpers.broken_strategy")
    terminal = Terminal("create", "--config", str(toy.yaml), "--port", str(free_port(8300)))
    assert terminal.until(r"status (\d+)")[1] == "1"
    assert "nnictl: broken_strategy: found nothing to search with" in terminal.said
    terminal.close()
    until(lambda: not toy.processes(), lambda: str(toy.processes()))


@pytest.mark.slow
def test_where_all_is_well_the_portal_is_on_this_machine_alone_and_the_end_is_told(toy: ToyExperiment):
    toy.write(trials=3)
    terminal = Terminal("create", "--config", str(toy.yaml), "--port", str(free_port(8300)))
    assert terminal.until(r"status (\d+)")[1] == "0", terminal.said
    sockets = toy.sockets()
    assert sockets and {one.laddr.ip for one in sockets} <= {"127.0.0.1", "::1"}
    experiment = terminal.until(r"experiment (\w+) is done; next: trionet export")[1]
    assert experiment in launch.listed()
    terminal.close()


@pytest.mark.slow
def test_a_closed_terminal_ends_whoever_waits_for_it(toy: ToyExperiment):
    toy.set(TOY_SECONDS="30")
    toy.write(trials=3)
    terminal = Terminal("create", "--config", str(toy.yaml), "--port", str(free_port(8300)))
    assert terminal.until(r"status (\d+)")[1] == "0", terminal.said

    def waiting() -> list[str]:
        lines = [" ".join(process.cmdline()) for process in toy.processes()]
        return [line for line in lines if "terminal.notice" in line]

    assert waiting()
    terminal.close()
    until(lambda: not waiting(), lambda: str(waiting()))
