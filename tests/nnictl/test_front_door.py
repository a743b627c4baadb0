"""nnictl typed by hand in this project's environment, in a pseudo-terminal where one matters."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.patience import until
from tests.helpers.shell import Shell
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


@pytest.fixture
def shell(toy: ToyExperiment) -> Iterator[Shell]:
    """As on a machine without GPU and without data."""
    data = toy.folder / "data"
    data.mkdir()
    with Shell(toy.folder, CUDA_VISIBLE_DEVICES="", TRIONET_DATA=str(data)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("experiments/imagenet.yml", "trialGpuNumber: found 1, allowed: up to the 0 GPUs of this machine"),
        ("experiments/mine.yml", "data.root: cannot be read (No such file or directory), allowed: "),
        ("wrong.yml", "found no readable YAML ("),
    ],
    ids=["no GPU", "no data", "wrong YAML"],
)
def test_by_hand_what_cannot_work_is_one_line_and_leaves_nothing(
    shell: Shell, toy: ToyExperiment, file: str, told: str
):
    if not (ROOT / file).exists():
        file = str(toy.folder / file)
        Path(file).write_text("tuner:\n\tclassName: trionet_nni.nnictl.advisor.TrioNetAdvisor\n")
    said, status = shell.type(f"nnictl create --config {file}")
    assert status == 2 and said.startswith(f"nnictl: {file}: ") and told in said, said
    assert said.count("\n") == 1
    assert not shell.left() and not launch.listed()


@pytest.mark.slow
def test_a_search_that_fails_at_its_start_is_told_and_leaves_nothing_running(
    shell: Shell, toy: ToyExperiment
):
    toy.write(strategy="tests.helpers.broken_strategy")
    said, status = shell.type(f"nnictl create --config {toy.yaml} --port {free_port(8300)}")
    assert status == 1, said
    assert "nnictl: broken_strategy: found nothing to search with" in said
    until(lambda: not shell.left(), lambda: str(shell.left()))


@pytest.mark.slow
def test_where_all_is_well_the_portal_is_on_this_machine_alone_and_the_end_is_told(
    shell: Shell, toy: ToyExperiment
):
    toy.write(trials=3)
    port = free_port(8300)
    said, status = shell.type(f"nnictl create --config {toy.yaml} --port {port}")
    assert status == 0, said
    sockets = toy.sockets()
    assert sockets and {one.laddr.ip for one in sockets} <= {"127.0.0.1", "::1"}
    if shutil.which("ss"):
        listening, _ = shell.type(f"ss -ltn 'sport = :{port}'")
        assert [line.split()[3] for line in listening.splitlines()[1:]] == [f"127.0.0.1:{port}"]
    experiment = shell.until(r"experiment (\w+) is done; next: trionet export")[1]
    assert shell.type(f"nnictl stop {experiment}")[1] == 0
    until(lambda: not shell.left(), lambda: str(shell.left()))


@pytest.mark.slow
def test_a_closed_terminal_ends_whoever_waits_for_it(toy: ToyExperiment):
    toy.set(TOY_SECONDS="30")
    toy.write(trials=3)
    shell = Shell(toy.folder)
    said, status = shell.type(f"nnictl create --config {toy.yaml} --port {free_port(8300)}")
    assert status == 0, said

    def waiting() -> list[str]:
        lines = [" ".join(process.cmdline()) for process in toy.processes()]
        return [line for line in lines if "terminal.notice" in line]

    assert waiting()
    shell.close()
    until(lambda: not waiting(), lambda: str(waiting()))
