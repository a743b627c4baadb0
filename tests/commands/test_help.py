"""What every command says of itself: help with an example, version, completion; and how it keeps quiet."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.checkout import ROOT
from tests.hostile.bench import exported
from trionet_nni.cli import _parser, main
from trionet_nni.version import __version__


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """This one and all below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


@pytest.mark.parametrize("parser", list(parsers(_parser())), ids=lambda parser: parser.prog)
def test_every_help_ends_with_an_example_that_can_be_typed(parser: argparse.ArgumentParser) -> None:
    example = parser.format_help().splitlines()[-1]
    assert example.startswith(f"Example: {parser.prog}") and example.count("\n") == 0
    words = shlex.split(example.removeprefix("Example: trionet "))
    _parser().parse_args(words)  # ends the process where an option is not known
    for word in words:
        assert not word.startswith("experiments/") or (ROOT / word).is_file()


@pytest.mark.parametrize("parser", list(parsers(_parser())), ids=lambda parser: parser.prog)
def test_a_description_is_a_plain_sentence(parser: argparse.ArgumentParser) -> None:
    text = parser.description or ""
    assert text[0].isupper() and text.endswith((".", ").")) and len(text) < 110


def test_the_version_has_the_commit_of_the_checkout(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode:  # the suite runs from an archive
        assert said == f"trionet {__version__}\n"
    else:
        assert said.startswith(f"trionet {__version__}, commit {head.stdout.strip()}")


def test_without_a_checkout_the_version_stands_alone(tmp_path: Path) -> None:
    package = tmp_path / "trionet_nni"
    package.mkdir()
    for name in ("__init__.py", "version.py"):
        shutil.copy(ROOT / "trionet_nni" / name, package)
    line = "from trionet_nni.version import version_line; print(version_line())"
    done = subprocess.run([sys.executable, "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == f"trionet {__version__}\n", done.stderr


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a bash reads to complete commands of ours."""
    done = subprocess.run(
        [sys.executable, "-m", "trionet_nni.cli", "--completion", "bash"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    path = tmp_path_factory.mktemp("completion") / "trionet"
    path.write_text(done.stdout)
    return path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["coun"], {"count"}),
        (["segment", ""], {"train", "eval", "predict"}),
        (["retrain", "--qu"], {"--quiet"}),
        (["count", "resnet-26", "--stem", ""], {"plain", "deep"}),
        (["plan", "mi"], {"mine.yml"}),
        (["count", "net"], {"network.json"}),
        (["predict", "out/1", "pic"], {"pictures"}),
    ],
)
def test_bash_completes(script: Path, typed: list[str], offered: set[str], tmp_path: Path) -> None:
    for name in ("mine.yml", "network.json", "pictures/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    words = " ".join(map(shlex.quote, ("trionet", *typed)))
    line = (
        f"source {shlex.quote(str(script))}; COMP_WORDS=({words}); COMP_CWORD={len(typed)}; "
        "_shtab_trionet; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered


def test_quiet_shows_the_result_and_no_progress(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = exported(tmp_path)  # of ten steps
    assert main(["retrain", str(folder), "--quiet"]) == 0
    said = capfd.readouterr()
    assert said.err == "" and "test accuracy" in said.out and "Next: " in said.out
    assert main(["finetune", str(folder)]) == 0
    said = capfd.readouterr()
    assert "step 10/10" in said.err and "test accuracy" in said.out
