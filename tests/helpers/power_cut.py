"""A power cut at every operation on the files of a folder: what was synced is there, all else by chance."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

How = Literal["nothing", "names", "everything", "by chance"]  # of what nobody synced has arrived
SEED = int(os.environ.get("POWER_CUT_SEED", "0"))  # of what arrives by chance
_HOWS: tuple[How, ...] = ("nothing", "names", "everything", "by chance")
_CHANGES = ("fsync", "sync", "replace", "rename", "link", "unlink", "remove", "mkdir")


class PowerCuts:
    """While this context is open, each operation of this process on files of a folder is a moment to cut.

    A file has the content of its last `fsync`, a folder the names of its last one. What was written since
    then may have arrived or not: names and contents each for themselves, contents also in part. This is
    harsher than journalling file systems are, which keep an order.

    Args:
        root: of the files that count; it is on disk, and so is what is in it now.
        look: is given a copy of the folder as it is after a cut, and raises where something is wrong.
        beside: folder for these copies.

    Attributes:
        cuts: how many there were.
    """

    def __init__(self, root: Path, look: Callable[[Path], object], beside: Path, seed: int = SEED) -> None:
        self._root, self._look, self._beside = root.resolve(), look, beside
        self._dice, self._numbers, self.cuts = random.Random(seed), itertools.count(), 0
        self._known: dict[int, int] = {}  # a number for each file, by inode: the system gives these again
        self._content: dict[int, bytes] = {}  # as synced, by number
        self._names: dict[int, dict[str, int]] = {}  # likewise, of folders
        self._folders: set[int] = set()
        self._busy = False
        self._usual: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> PowerCuts:
        self._sync_all()
        for name in _CHANGES:
            self._usual[name] = getattr(os, name)
            setattr(os, name, self._watched(name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for name, usual in self._usual.items():
            setattr(os, name, usual)
        if kind is None:
            self._cut()

    def _watched(self, name: str) -> Callable[..., Any]:
        usual = self._usual[name]

        def watched(*given: Any, **options: Any) -> Any:
            if self._busy or not self._concerns(name, given):
                return usual(*given, **options)
            self._cut()
            gone = self._inode_that_goes(name, given)
            found = usual(*given, **options)
            if gone is not None:
                self._known.pop(gone, None)
            if name == "fsync":
                self._sync(_opened(given[0]))
            elif name == "sync":
                self._sync_all()
            return found

        return watched

    def _concerns(self, name: str, given: tuple[Any, ...]) -> bool:
        if name == "sync":
            return True
        place = _opened(given[0]) if name == "fsync" else Path(given[0]).absolute()
        return place.is_relative_to(self._root)

    def _inode_that_goes(self, name: str, given: tuple[Any, ...]) -> int | None:
        if name not in ("replace", "rename", "unlink", "remove"):
            return None
        try:
            state = Path(given[1] if name in ("replace", "rename") else given[0]).stat()
        except FileNotFoundError:
            return None
        return state.st_ino if state.st_nlink == 1 else None

    def _number(self, path: Path) -> int:
        return self._known.setdefault(path.stat().st_ino, next(self._numbers))

    def _sync_all(self) -> None:
        for path in [self._root, *self._root.rglob("*")]:
            self._sync(path)

    def _sync(self, path: Path) -> None:
        number = self._number(path)
        if path.is_dir():
            self._folders.add(number)
            self._names[number] = {one.name: self._number(one) for one in path.iterdir()}
        else:
            self._content[number] = path.read_bytes()

    def _cut(self) -> None:
        self._busy = True
        try:
            place = self._beside / f"cut-{self.cuts}"
            how = self._dice.choice(_HOWS)
            now = {self._number(path): path for path in [self._root, *self._root.rglob("*")]}
            self._copy(self._number(self._root), place, now, how)
            self.cuts += 1
            try:
                self._look(place)
            except BaseException as error:
                error.add_note(f"after cut {self.cuts - 1}, of what was not synced had arrived: {how}")
                raise
            shutil.rmtree(place)
        finally:
            self._busy = False

    def _copy(self, number: int, target: Path, now: dict[int, Path], how: How) -> None:
        """A file or a folder as it is after the cut."""
        path = now.get(number)
        if number in self._folders or (path is not None and path.is_dir()):
            target.mkdir()
            present = {one.name: self._number(one) for one in path.iterdir()} if path else {}
            for name, entry in self._arrived(self._names.get(number, {}), present, how).items():
                self._copy(entry, target / name, now, how)
        else:
            written = path.read_bytes() if path is not None else b""
            target.write_bytes(self._bytes(self._content.get(number), written, how))

    def _arrived(self, synced: dict[str, int], present: dict[str, int], how: How) -> dict[str, int]:
        chosen = {}
        for name in sorted(synced.keys() | present.keys()):
            early = how == "nothing" or (how == "by chance" and self._dice.random() < 0.5)
            found = (synced if early else present).get(name)
            if found is not None:
                chosen[name] = found
        return chosen

    def _bytes(self, synced: bytes | None, written: bytes, how: How) -> bytes:
        if how == "everything" and written:
            return written
        if synced is not None:  # it may have grown since
            more = written[len(synced) :] if how == "by chance" and written.startswith(synced) else b""
            return synced + more[: self._dice.randint(0, len(more))]
        return written[: self._dice.randint(0, len(written))] if how == "by chance" else b""


def _opened(handle: int) -> Path:
    """What a file descriptor stands for."""
    return Path(f"/proc/self/fd/{handle}").readlink()
