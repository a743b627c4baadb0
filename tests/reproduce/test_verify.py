from __future__ import annotations

import pytest

from trionet_nni.reproduce import paper
from trionet_nni.reproduce.verify import compared, print_rows, verify


@pytest.fixture(scope="module")
def rows():
    return verify()


def test_every_printed_figure_has_a_row(rows):
    printed = len(paper.TABLE1_CHOICES) + 2 + 2 * len(paper.TABLE2) + 2 * len(paper.TABLE2_SEARCHED)
    printed += len(paper.TABLE2_OFA) + len(paper.TABLE4_CLASSES) * (len(paper.TABLE4) + 1)
    printed += len(paper.TABLE6_SEMANTIC) + len(paper.TABLE6_PANOPTIC) + len(paper.SAVINGS)
    assert len(rows) == printed
    assert len({(row.where, row.what) for row in rows}) == printed


def test_what_does_not_agree_is_known_and_has_a_reason(rows):
    off = {(row.where, row.what): row for row in rows if row.verdict in ("differs", "out of reach")}
    assert set(off) == {
        ("Table 2", "axial-50 params"),
        ("Table 2", "axial-50 flops"),
        ("Table 6", "ResNet-50, panoptic"),
        ("section 4.3", "TrioNet against ResNet-18, Table 4's averages, saved"),
    }
    assert all(row.note for row in rows if row.verdict in ("differs", "close", "not computed"))


@pytest.mark.parametrize(
    ("computed", "verdict"), [(4.74, "agrees"), (4.66, "agrees"), (4.64, "close"), (4.5, "differs")]
)
def test_verdicts(computed, verdict):
    assert compared("", "", "B", 4.7, computed, 1, "why").verdict == verdict


def test_the_output_is_whole_lines(rows, capsys):
    print_rows(rows)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(rows) + 1
    assert lines[-1].startswith(f"{len(rows)} figures: ")
