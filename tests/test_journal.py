"""A document that changes a little each time: what is read is what was saved last, whatever was cut off."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet_nni.files import journal
from trionet_nni.files.journal import Grown, Journal, journal_of, read_journaled

_VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)
_DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), _VALUES, max_size=3)


@settings(max_examples=60, deadline=None)
@given(states=st.lists(_DOCUMENTS, min_size=1, max_size=6))
def test_the_last_save_is_read_whatever_changed(
    states: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "state.json"
    saved = Journal(path)
    for state in states:
        saved.save(state)
        assert read_journaled(path) == state
    saved.close()


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.integers(0, 3), max_size=6), again=st.integers(1, 6))
def test_a_list_that_grows_is_whole_also_over_several_processes(
    steps: list[int], again: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "state.json"
    saved, seen = Journal(path), Grown()
    for number, more in enumerate(steps):
        if number == again:  # another process goes on
            saved.close()
            saved, seen = Journal(path), Grown(read_journaled(path)["search"]["seen"])
        seen.extend([number] * more)
        saved.save({"search": {"seen": Grown(seen), "number": number}})
        assert read_journaled(path) == {"search": {"seen": list(seen), "number": number}}
    saved.close()


def test_a_save_writes_what_is_new_and_no_more(tmp_path: Path) -> None:
    saved, sizes = Journal(tmp_path / "state.json"), []
    lines = journal_of(tmp_path / "state.json")
    for count in range(1, 402):
        saved.save({"search": {"seen": Grown(f"network {n}" for n in range(count))}, "raised": 0})
        sizes.append(lines.stat().st_size)
    each = [after - before for before, after in pairwise(sizes)]
    assert max(each[-100:]) <= max(each[:100]) + 10
    assert sum(each) < 401 * 120


def test_what_a_crash_left_of_a_line_is_not_read_and_not_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    saved = Journal(path)
    for number in range(4):
        saved.save({"number": number})
    lines = journal_of(path)
    whole = lines.read_bytes()
    for length in range(len(whole.rstrip(b"\n").rpartition(b"\n")[0]) + 1, len(whole)):
        lines.write_bytes(whole[:length])
        assert read_journaled(path) == {"number": 2}
    again = Journal(path)
    again.save({"number": 7})
    again.save({"number": 8})
    assert read_journaled(path) == {"number": 8}


def test_lines_of_before_a_whole_save_do_not_count(tmp_path: Path) -> None:
    """A crash between the whole file and the empty journal leaves the old one."""
    path = tmp_path / "state.json"
    saved = Journal(path)
    for number in range(4):
        saved.save({"number": number})
    old = journal_of(path).read_bytes()
    Journal(path).save({"number": 9})
    journal_of(path).write_bytes(old)
    assert read_journaled(path) == {"number": 9}


def test_a_long_journal_becomes_a_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_FEWEST_BYTES", 500)
    path = tmp_path / "state.json"
    saved = Journal(path)
    for number in range(300):
        saved.save({"seen": Grown(range(number)), "number": number})
        assert journal_of(path).stat().st_size <= 600 + path.stat().st_size
    assert read_journaled(path) == {"seen": list(range(299)), "number": 299}
    assert json.loads(path.read_text())["number"] > 200


def test_a_file_of_before_there_was_a_journal_is_the_document(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"strategy": {"seen": ["a"]}, "engine": {}}')
    assert read_journaled(path) == {"strategy": {"seen": ["a"]}, "engine": {}}
    Journal(path).save({"strategy": {"seen": ["a", "b"]}, "engine": {}})
    assert read_journaled(path)["strategy"] == {"seen": ["a", "b"]}


def test_a_number_that_is_not_finite_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    saved = Journal(tmp_path / "state.json")
    saved.save({"score": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        saved.save({"score": float("nan")})
    assert read_journaled(tmp_path / "state.json") == {"score": 1.0}
    saved.save({"score": 2.0})
    assert read_journaled(tmp_path / "state.json") == {"score": 2.0}
