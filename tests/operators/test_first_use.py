"""Compiled on first use, once, by one process; what is in the way is told once."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from trionet_nni.operators.layers import build_native, first_use, native_attention

needs_compiler = pytest.mark.skipif(
    shutil.which("c++") is None, reason="no C++ compiler: compiling on first use was NOT tested here"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for the library."""
    monkeypatch.setattr(build_native, "home", lambda: tmp_path)
    monkeypatch.setattr(native_attention, "home", lambda: tmp_path)
    monkeypatch.delenv("TRIONET_NATIVE", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    native_attention.load.cache_clear()
    yield tmp_path
    native_attention.load.cache_clear()


def compiler_that_counts(folder: Path, then: str) -> Path:
    script = folder / "cxx"
    script.write_text(f'#!/bin/sh\necho call >> "{folder}/calls"\n{then}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def calls(folder: Path) -> int:
    file = folder / "calls"
    return len(file.read_text().splitlines()) if file.exists() else 0


@needs_compiler
def test_it_is_compiled_once_and_used(home, tmp_path_factory, monkeypatch, capsys):
    tools = tmp_path_factory.mktemp("tools")
    monkeypatch.setenv("CXX", str(compiler_that_counts(tools, 'exec c++ "$@"')))
    assert native_attention.library() is None
    first_use.ensure_kernels()
    assert native_attention.library() is not None
    first_use.ensure_kernels()
    assert calls(tools) == 1 and capsys.readouterr().err == ""


@needs_compiler
def test_processes_that_start_together_compile_once(home, tmp_path_factory):
    tools = tmp_path_factory.mktemp("tools")
    code = (
        "import sys; from pathlib import Path; from trionet_nni.operators.layers import build_native, "
        "first_use, native_attention; place = lambda: Path(sys.argv[1]); build_native.home = place; "
        "native_attention.home = place; first_use.ensure_kernels(); "
        "sys.exit(native_attention.library() is None)"
    )
    environment = {**os.environ, "CXX": str(compiler_that_counts(tools, 'sleep 0.5; exec c++ "$@"'))}
    started = [subprocess.Popen([sys.executable, "-c", code, str(home)], env=environment) for _ in range(3)]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    assert calls(tools) == 1


def test_without_a_compiler_it_is_said_once_in_one_line(home, monkeypatch, capsys):
    monkeypatch.setenv("CXX", "no-such-compiler")
    first_use.ensure_kernels()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "C++ compiler: found none named 'no-such-compiler'" in said
    first_use.ensure_kernels()
    assert capsys.readouterr().err == "" and native_attention.library() is None


def test_a_failed_compilation_is_said_once_and_not_tried_again(home, tmp_path_factory, monkeypatch, capsys):
    tools = tmp_path_factory.mktemp("tools")
    monkeypatch.setenv("CXX", str(compiler_that_counts(tools, 'echo "x.cpp:1: error: no" >&2; exit 1')))
    first_use.ensure_kernels()
    first_use.ensure_kernels()
    said = capsys.readouterr().err
    assert calls(tools) == 1 and said.count("\n") == 1 and "failed with 1: x.cpp:1: error: no" in said


@needs_compiler
def test_a_compiler_that_came_later_is_used(home, monkeypatch, capsys):
    monkeypatch.setenv("CXX", "no-such-compiler")
    first_use.ensure_kernels()
    monkeypatch.delenv("CXX")
    first_use.ensure_kernels()
    assert native_attention.library() is not None and not list(home.glob("*.failed"))


def test_switched_off_nothing_is_compiled(home, monkeypatch):
    monkeypatch.setenv("TRIONET_NATIVE", "0")
    first_use.ensure_kernels()
    assert not list(home.iterdir())
