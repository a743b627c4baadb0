"""What the fuzzers found is refused as it should be, and their corpora are met without a finding."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fuzz.campaign import CORPUS
from tests.fuzz.mutate import mutated
from tests.fuzz.registry import NAMES, target
from tests.fuzz.target import Target, judge
from trionet_nni.errors import InputError
from trionet_nni.experiment.nni_file import beside, check_nni
from trionet_nni.files.journal import Journal, journal_of, read_journaled
from trionet_nni.files.text import parse_json
from trionet_nni.files.yaml import read_yaml
from trionet_nni.nnictl.candidate.job import metric_number
from trionet_nni.nnictl.manager.rest import Manager


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_has_no_finding(name: str, tmp_path: Path) -> None:
    one = target(name)
    inputs = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert len(inputs) >= 5
    for data in (*one.seeds(), *inputs):
        found = judge(one, data, tmp_path)
        assert found is None, f"{found}\n{data[:500]!r}"


@pytest.mark.parametrize("name", NAMES)
def test_a_harness_accepts_a_right_input(name: str, tmp_path: Path) -> None:
    """One that refuses everything would find nothing."""
    one = target(name)
    one.read(one.seeds()[0], tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_changes_to_documents_have_no_finding(name: str, tmp_path: Path) -> None:
    """A few of what the fuzzer tries, for those who have no atheris."""
    one = target(name)
    seeds = [seed for seed in one.seeds() if len(seed) < 5000]
    for number in range(40):
        data = mutated(seeds[number % len(seeds)], number)
        found = None if data is None else judge(one, data, tmp_path)
        assert found is None, f"{found}\n{(data or b'')[:500]!r}"


def test_the_mutator_leaves_to_the_fuzzer_what_it_cannot_change() -> None:
    deepest = b"[" * 900 + b"]" * 900
    changed = [mutated(data, seed) for seed in range(50) for data in (deepest, b"[", b"1" + b"0" * 400)]
    assert None in changed and any(changed)


def _raises(error: Exception) -> Callable[[bytes, Path], None]:
    def read(data: bytes, folder: Path) -> None:
        raise error

    return read


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InputError("a.yml: found 1, allowed: 2"), None),
        (InputError("a.yml: wrong"), "a refusal that does not say what is allowed"),
        (KeyError("a"), "KeyError at the harness"),
        (RecursionError(), "RecursionError at the harness"),
    ],
)
def test_the_judge_can_tell(error: Exception, kind: str | None, tmp_path: Path) -> None:
    found = judge(Target("one", _raises(error), list), b"", tmp_path)
    assert (found and found.kind) == kind


def test_the_judge_sees_what_an_input_costs(tmp_path: Path) -> None:
    def slow(data: bytes, folder: Path) -> None:
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass

    found = judge(Target("slow", slow, list), b"", tmp_path, longest=0.01)
    assert found is not None and found.kind == "slow"


def test_a_name_twice_among_a_hundred_thousand_is_found_at_once() -> None:
    """It was looked for with a count of each name: ten minutes."""
    names = ", ".join(f'"n{number}": 0' for number in range(100_000))
    began = time.process_time()
    with pytest.raises(ValueError, match="'n99999' stands there twice"):
        parse_json(f'{{{names}, "n99999": 0}}')
    assert time.process_time() - began < 5


def test_a_megabyte_of_yaml_is_refused_at_once(tmp_path: Path) -> None:
    """All of it was composed before its values were counted."""
    path = tmp_path / "large.yml"
    path.write_text("a: [" + "1, " * 300_000 + "1]\n")
    began = time.process_time()
    with pytest.raises(InputError, match="more than 20,000 values"):
        read_yaml(path)
    assert time.process_time() - began < 5


def test_thousands_of_fields_are_refused_at_once(tmp_path: Path) -> None:
    """Each was compared with all others."""
    fields = {f"field{number}": 0 for number in range(20_000)}
    began = time.process_time()
    with pytest.raises(InputError, match="field0: found 0, allowed: no such key"):
        check_nni(tmp_path / "many.yml", fields)
    assert time.process_time() - began < 1


def test_a_number_that_no_float_holds_is_no_metric() -> None:
    """A trial that sent one as its result ended the search."""
    assert metric_number(f'{{"default": 1{"0" * 400}}}') is None


def test_an_answer_of_endless_lists_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    opener = SimpleNamespace(open=lambda *_, **__: io.BytesIO(b"[" * 100_000))
    monkeypatch.setattr("trionet_nni.nnictl.manager.rest._OPENER", opener)
    with pytest.raises(ValueError, match="nested too deeply"):
        Manager("http://127.0.0.1:1").jobs()


def test_a_folder_whose_name_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found 'aaa.*File name too long.*, allowed: a folder"):
        beside(tmp_path / "a.yml", "a" * 300, tmp_path)


def test_a_damaged_journal_does_not_keep_a_search_from_saving(tmp_path: Path) -> None:
    """What the next save writes is read, and no line of before it."""
    path = tmp_path / "state.json"
    path.write_text('{"a": 1, "revision": "x"}')
    journal_of(path).write_text('{"revision": 7, "put": 1}\n[]\n')
    with pytest.raises(ValueError):
        read_journaled(path)
    Journal(path).save({"a": 2})
    assert read_journaled(path) == {"a": 2}


def test_a_journal_of_lists_in_lists_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_journaled(path)


def test_a_field_of_a_thousand_letters_is_refused_with_what_is_allowed(tmp_path: Path) -> None:
    """The line is cut at a thousand, and ended before it."""
    with pytest.raises(InputError, match="…: found 0, allowed: no such key, but experimentName"):
        check_nni(tmp_path / "long.yml", {"x" * 2000: 0})
