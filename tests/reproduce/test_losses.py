"""Networks of a kind that supernets are asked for, and jobs whose needs are gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spaces import small_deep, small_heads, tiny
from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.losses import KINDS, Kind, networks
from trionet_nni.reproduce.pool import missing


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("space", [tiny, small_deep, small_heads])
def test_networks_of_a_kind_are_different_and_always_the_same(space: Any, kind: Kind) -> None:
    found = networks(space.TABLE, kind, 8)
    assert len({one.hash for one in found}) == len(found) == 8
    assert found == networks(space.TABLE, kind, 8)
    assert all(space.TABLE.contains(one) for one in found)
    mixes = {one.operators for one in found}
    assert len(mixes) > 1  # not one operator alone, again and again


def test_ends_have_the_least_and_the_most_of_everything() -> None:
    for kind, end in (("smallest", "smallest"), ("largest", "largest")):
        for network in networks(small_deep.TABLE, kind, 12):  # type: ignore[arg-type]
            for _, block in network.blocks():
                assert block == getattr(small_deep.TABLE.choices(block.operator), end)
    assert {len(stage) for one in networks(tiny.TABLE, "smallest", 5) for stage in one.stages} == {1}
    assert {len(stage) for one in networks(tiny.TABLE, "largest", 5) for stage in one.stages} == {2}


def test_halved_networks_have_half_rates_and_any_heads() -> None:
    blocks = [block for one in networks(small_heads.TABLE, "halved", 20) for _, block in one.blocks()]
    assert {(block.qk, block.v) for block in blocks} == {(0.5, 0.5)}  # type: ignore[attr-defined]
    assert {block.heads for block in blocks} == {2, 4}  # type: ignore[attr-defined]


def test_a_space_with_few_networks_of_a_kind_gives_them_all() -> None:
    assert len(networks(tiny.TABLE.only("conv"), "smallest", 5)) == 1


class _Known(Job):
    """A job that is done or not, whatever lies on the disk."""

    def __init__(self, title: str, done: bool, *needs: Job) -> None:
        self._title, self.done, self._needs = title, done, needs

    @property
    def title(self) -> str:
        return self._title

    @property
    def needs(self) -> tuple[Job, ...]:
        return self._needs

    def result(self, working: Path) -> dict[str, Any] | None:
        return {} if self.done else None

    def run(self, working: Path) -> None:
        raise AssertionError


def test_what_a_job_with_a_result_needed_is_not_made_again(tmp_path: Path) -> None:
    supernet, other = _Known("supernet", done=False), _Known("another", done=False)
    done, open_ = _Known("done", True, supernet), _Known("open", False, other)
    assert missing([done, open_], tmp_path) == [other, open_]
