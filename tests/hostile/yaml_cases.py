"""Experiment files that are no usable YAML, whatever they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.hostile.bench import experiment, write_yaml
from tests.hostile.case import CANARY, Case, says
from trionet_nni.cli import main

KIND = "YAML of an experiment"
_NAME = "experiment.yml"


def _search(path: Path) -> int:
    return main(["search", str(path)])


def _text(name: str, text: str | bytes, *line: str, usable: str = "") -> Case:
    """A file with this content; `CANARY` in it stands for the canary's path."""

    def run(folder: Path) -> int:
        content = text.encode() if isinstance(text, str) else text
        (folder / _NAME).write_bytes(content.replace(b"CANARY", str(folder / CANARY).encode()))
        return _search(folder / _NAME)

    return Case(KIND, name, "trionet search", run, says(_NAME, *line), usable)


def _made(name: str, make: Callable[[Path], object], *line: str, usable: str = "") -> Case:
    def run(folder: Path) -> int:
        make(folder / _NAME)
        return _search(folder / _NAME)

    return Case(KIND, name, "trionet search", run, says(*line), usable)


def _written(path: Path, change: Callable[[str], str], encoding: str = "utf-8") -> None:
    write_yaml(path, experiment())
    path.write_text(change(path.read_text(encoding="utf-8")), encoding=encoding)


def _laughs() -> str:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(["l0: &l0 [ha]", *levels])


CASES = (
    _made("no such file", lambda path: None, _NAME, "No such file", "allowed: YAML"),
    _made("a folder", lambda path: path.mkdir(), _NAME, "Is a directory", "allowed: YAML"),
    _made(
        "an endless device", lambda path: path.symlink_to("/dev/zero"), _NAME, "more than 1,000,000 bytes"
    ),
    _made("a link to itself", lambda path: path.symlink_to(path), _NAME, "cannot be read (Too many levels"),
    _text("empty", "", "found nothing, allowed: a mapping"),
    _text("a list", "- 1\n- 2\n", "found list, allowed: a mapping"),
    _text("a text", "experiment\n", "found str, allowed: a mapping"),
    _text("a tab for indentation", "tuner:\n\tclassArgs: 1\n", "no readable YAML", "'\\t'"),
    _text("an open bracket", "tuner: [1, 2\n", "no readable YAML", "flow sequence"),
    _text("an unknown anchor", "tuner: *nowhere\n", "undefined alias 'nowhere'"),
    _text("two documents", "a: 1\n---\nb: 2\n", "found another document"),
    _text("a key twice", "tuner: 1\ntrialConcurrency: 2\ntuner: 3\n", "'tuner' stands there twice"),
    _text(
        "a key twice, deep inside",
        "tuner: {classArgs: {space: a, space: b}}\n",
        "'space' stands there twice",
    ),
    _text("a list as a key", "? [a, b]\n: 1\n", "found unhashable key"),
    _text(
        "a merge with a number", "tuner: {<<: 5}\n", "expected a mapping or list of mappings for merging"
    ),
    _text("aliases that grow to 10⁹ values", _laughs(), "more than 20,000 values once its aliases"),
    _text("an alias inside itself", "a: &a [*a]\n", "more than 20,000 values once its aliases"),
    _text("1,000 brackets", "a: " + "[" * 1000, "found values nested too deeply"),
    _text("2 MB", "a: " + "x" * 2_000_000, "more than 1,000,000 bytes"),
    _text("a date that does not exist", "a: 2020-99-99\n", "no readable YAML", "month must be"),
    _text(
        "a number of 5,000 digits",
        "a: " + "9" * 5000 + "\n",
        "no readable YAML",
        "integer string conversion",
    ),
    _text("bytes of no encoding", b"a: \xff\xfe\xfa\n", "found binary data or no UTF-8"),
    _text("NUL", "a: b\0c\n", "special characters are not allowed"),
    _text(
        "a tag of another program",
        "a: !Ref bucket\n",
        "could not determine a constructor for the tag '!Ref'",
    ),
    _text(
        "a Python call",
        "a: !!python/object/apply:builtins.open [CANARY, w]\n",
        "could not determine a constructor",
    ),
    _text(
        "a Python object that unpickles",
        "a: !!python/object/new:os.system ['touch CANARY']\n",
        "could not determine a constructor",
        "python/object/new:os.system",
    ),
    _text(
        "a Python module",
        "a: !!python/module:antigravity\n",
        "could not determine a constructor",
        "python/module",
    ),
    _made(
        "UTF-16",
        lambda path: _written(path, str, "utf-16"),
        _NAME,
        "found binary data or no UTF-8, allowed: YAML",
    ),
    _made(
        "JSON instead of YAML",
        lambda path: path.write_text(__import__("json").dumps(experiment())),
        usable="JSON is YAML",
    ),
    _made(
        "merged keys that are replaced",
        lambda path: _written(
            path, lambda text: text.replace("tuner:\n", "tuner:\n  <<: {className: other}\n", 1)
        ),
        usable="a key beside << replaces a merged one",
    ),
    _text(
        "a terminal's control characters in a key",
        '"\\e[2J\\rtrionet: all is well": 1\n',
        "\\x1b[2J\\rtrionet: all is well: found 1, allowed: no such key, but experimentName",
    ),
    _text("a line break in a key", '"a\\nb": 1\n', "a\\nb: found 1, allowed: no such key"),
    _text("a number as a key", "5: 1\n", "5: found 5, allowed: Keys should be strings"),
)
