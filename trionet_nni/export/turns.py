"""The folder of one network has many writers: exports and trainings, also several at once.

Trainings of several seeds share a folder. Whoever writes it anew for another network would have their
results land in that one's: it is refused as long as any training of it is under way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.files.locks import lock, try_lock
from trionet_nni.files.turns import alone_in, lock_beside

_TRAINS = "trains"


def writing(folder: Path) -> AbstractContextManager[None]:
    """While several files of a network's folder are written, or read, that belong together. Short."""
    return alone_in(folder.resolve(), "writes")


@contextmanager
def trained(folder: Path) -> Iterator[None]:
    """As long as a training is under way in a network's folder; to be entered while `writing` is held."""
    with lock(lock_beside(folder.resolve(), _TRAINS), shared=True):
        yield


def check_room(folder: Path, architecture: Architecture) -> None:
    """Whether a folder can be written for this network; ask while `writing` is held.

    Raises:
        InputError: the folder's name is taken by a file, or another network is being trained in it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: found a file, allowed: a folder")
    if holds(folder, architecture) is not False:
        return
    free = try_lock(lock_beside(folder.resolve(), _TRAINS))
    if free is None:
        found = f"{folder}: found a training of another network under way in it"
        raise InputError(f"{found}, allowed: another folder (-o), or this one when that training is over")
    free.close()


def holds(folder: Path, architecture: Architecture) -> bool | None:
    """Whether a folder's network is this one; None where it has none."""
    path = folder / "architecture.json"
    if not path.exists():
        return None
    try:
        return Architecture.load(path) == architecture
    except InputError:
        return False
