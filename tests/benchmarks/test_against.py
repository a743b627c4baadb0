from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.against import worktree
from benchmarks.against_steps import retraining_steps, supernet_steps
from benchmarks.side_process import side


@pytest.mark.parametrize("make", [supernet_steps, retraining_steps])
def test_its_steps_are_steps_of_this_checkout(make):
    steps = make("spaces.small", 28, 1, batch=2)
    for step in steps[:2]:
        step()


def test_a_side_takes_its_steps_in_its_own_checkout(tmp_path):
    (tmp_path / "where.py").write_text("PLACE = 'there'\n")
    code = (
        "import runpy, where\n"
        f"serve = runpy.run_path({side.__wrapped__.__code__.co_filename!r})['serve']\n"
        "print('what a library prints')\n"
        "serve([lambda: open('steps', 'a').write(where.PLACE + ' ')])\n"
    )
    with side(code, {"OMP_NUM_THREADS": "1"}, tmp_path) as there:
        there.step()
        there.step()
    assert (tmp_path / "steps").read_text() == "there there "


def test_a_side_that_ends_is_an_error():
    with pytest.raises(RuntimeError, match="ended"), side("", {}):
        pass


def test_an_unknown_commit_is_one_line(capsys):
    with pytest.raises(SystemExit) as exit:
        worktree("no-such-commit")
    assert exit.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_threads_benchmark_uses_the_same_sides():
    done = subprocess.run(
        [sys.executable, "-c", "from benchmarks.threads import serve_steps; serve_steps()"],
        input="\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["done", "done"]
