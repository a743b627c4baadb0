"""A full or broken disk, and kills, at every operation on files: old content or new, never half."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from tests.helpers.faulty_files import Fault, Faults, killed
from tests.helpers.tiny import RECIPE, fresh, same, small_splits
from trionet_nni.errors import disk_line, is_disk_failure
from trionet_nni.files.atomic import write_json
from trionet_nni.network.trionet import TrioNet
from trionet_nni.supernet.results import Evaluation, ResultsStore
from trionet_nni.training.checkpoints import (
    NAME,
    PREVIOUS,
    AtomicCheckpointIO,
    newest_checkpoint,
    read_checkpoint,
)
from trionet_nni.training.fit import fit

FAULTS: tuple[Fault, ...] = (errno.ENOSPC, errno.EDQUOT, errno.EIO, "short")
Write = Callable[[Path], object]


def checkpoint(step: int) -> dict[str, Any]:
    state = {"x": torch.full((500,), float(step))}
    return {"global_step": step, "state_dict": state, "callbacks": {}, "optimizer_states": [{}]}


def save(step: int, folder: Path) -> None:
    AtomicCheckpointIO().save_checkpoint(checkpoint(step), folder / NAME)


def store(accuracy: float, folder: Path) -> None:
    (network,) = random_architectures(TABLE, 1)
    ResultsStore(folder, "accuracy").add(Evaluation(network, accuracy, 500, 7, 10, 0.5))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def operations(write: Write, folder: Path) -> list[tuple[str, str]]:
    with Faults("*") as faults:
        write(folder)
    return faults.done


WRITERS: dict[str, tuple[Write, Write]] = {
    "checkpoint": (partial(save, 1), partial(save, 2)),
    "result": (partial(store, 0.25), partial(store, 0.75)),
    "json": (
        lambda folder: write_json(folder / "a.json", [1]),
        lambda folder: write_json(folder / "a.json", [2]),
    ),
}


@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_operation_fails_once(tmp_path: Path, what: str, fault: Fault) -> None:
    old, new = WRITERS[what]
    count = _count(tmp_path, old, new)
    failed = 0
    for at in range(count):
        folder = tmp_path / str(at)
        old(folder)
        before = contents(folder)
        with Faults("*", at, fault) as faults:
            try:
                new(folder)
            except OSError as error:
                failed += 1
                assert is_disk_failure(error)
                assert str(folder) in disk_line(error)
        found = contents(folder)
        assert not [name for name in found if name.endswith(".tmp")]
        _old_or_new(tmp_path, found, before, faults.done[at])
        new(folder)  # the same command again
        assert contents(folder).keys() == contents(tmp_path / "new").keys()
        assert contents(folder)[_main(before)] == contents(tmp_path / "new")[_main(before)]
    lost_bytes = ("write", "close")
    expected = (
        count if isinstance(fault, int) else len([1 for name, _ in faults.done if name in lost_bytes])
    )
    assert failed == expected  # bytes that are lost without a word are seen too
    print(f"{what}, {fault}: {failed} of {count} operations failed")


@pytest.mark.parametrize("what", WRITERS)
def test_a_kill_at_every_operation(tmp_path: Path, what: str) -> None:
    old, new = WRITERS[what]
    for at in range(_count(tmp_path, old, new)):
        folder = tmp_path / str(at)
        old(folder)
        before = contents(folder)
        assert killed(partial(new, folder), Faults("*", at, "kill"))
        found = {name: data for name, data in contents(folder).items() if not name.endswith(".tmp")}
        _old_or_new(tmp_path, found, before, ("kill", str(at)))
        if what == "checkpoint":
            state = newest_checkpoint(folder / NAME, "test")
            assert state is not None and state["global_step"] in (1, 2)


def test_a_kill_at_any_byte(tmp_path: Path) -> None:
    save(1, tmp_path)
    before = (tmp_path / NAME).read_bytes()
    for byte in (0, 1, 2, 511, 512, len(before) // 3, len(before) - 41):
        assert killed(partial(save, 2, tmp_path), Faults(NAME, 2, "kill", byte))
        assert (tmp_path / NAME).read_bytes() == before
    save(2, tmp_path)
    assert read_checkpoint(tmp_path / NAME)["global_step"] == 2
    assert read_checkpoint(tmp_path / PREVIOUS)["global_step"] == 1


def test_a_run_goes_on_to_the_same_bits_after_any_failure(
    begun: Path,
    uninterrupted: TrioNet,
    tmp_path: Path,
) -> None:
    train = small_splits().train
    for at in range(len(operations(partial(save, 2), _with(partial(save, 1), tmp_path / "ops")))):
        folder = tmp_path / str(at)
        folder.mkdir()
        shutil.copy(begun / PREVIOUS, folder / NAME)
        with Faults("*", at, errno.ENOSPC), pytest.raises(OSError, match="No space left"):
            fit(fresh(), RECIPE, train, folder, progress=False, stop_after_steps=5)
        net = fresh()
        result = fit(net, RECIPE, train, folder, progress=False)
        assert result["resumed_from"] in (3, 5)
        assert same(net, uninterrupted)


def _with(write: Write, folder: Path) -> Path:
    write(folder)
    return folder


def _count(tmp_path: Path, old: Write, new: Write) -> int:
    """Operations of writing the new content over the old; leaves it in `new`."""
    return len(operations(new, _with(old, tmp_path / "new")))


def _main(files: dict[str, bytes]) -> str:
    return next(iter(files))


def _old_or_new(
    tmp_path: Path, found: dict[str, bytes], before: dict[str, bytes], where: tuple[str, str]
) -> None:
    new = contents(tmp_path / "new")
    name = _main(before)
    assert found[name] in (before[name], new[name]), where
    for other in found.keys() - {name}:  # of a checkpoint: the one before it
        assert other == PREVIOUS and found[other] == before[name], where
