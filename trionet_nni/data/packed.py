"""Pictures packed into large files, laid out once as class folders beside them.

Trainings decode pictures in any order, in several processes, and the checks for leaks and for damaged
pictures look at files. So what is packed is unpacked, as the bytes that it is, into `ROOT/unpacked/`, where
it can also be looked at; `name: folder` reads it from then on as well.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from trionet_nni.data.folder import class_names, open_folder
from trionet_nni.data.laid_out import Picture, lay_out
from trionet_nni.data.source import Source
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import rename_folder, write_json
from trionet_nni.files.locks import lock
from trionet_nni.settings.project import DataConfig

FOLDER = "unpacked"
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)  # of a folder that is there to be read
_DONE = "unpacked.json"
_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
}

Unpack = Callable[[Path, Sequence[Path]], tuple[Iterable[Picture], Sequence[str] | None]]


@dataclass(frozen=True)
class Format:
    """How a kind of packed files is read.

    Attributes:
        name: as `data.name` says it.
        suffix: of its files.
        unpack: pictures of the files in a folder, and the names of numbered classes, where they are known.
    """

    name: str
    suffix: str
    unpack: Unpack

    def open(self, config: DataConfig) -> Source:
        """The pictures as a data set; unpacked the first time.

        Raises:
            InputError: there are none, a file is damaged, or the folder cannot be written.
        """
        if config.root is None:
            raise InputError(f"data.root: found nothing, allowed: the folder of the {self.suffix} files")
        folder = config.model_copy(update={"root": str(self.unpacked(Path(config.root)))})
        source = open_folder(folder)
        return replace(source, key=source.key.replace("folder", self.name, 1))

    def names(self, root: Path) -> list[str]:
        """Names of the classes in the order of their labels.

        Raises:
            InputError: as `open`.
        """
        return class_names(self.unpacked(root))

    def unpacked(self, root: Path) -> Path:
        """The class folders of what is packed in `root`, made where they are not there or of other files.

        Raises:
            InputError: as `open`.
        """
        files = self.files(root)
        if not files:
            raise InputError(f"{root}: data.root: found no {self.suffix} files, allowed: a folder of them")
        mark, folder = _mark(root, files), root / FOLDER
        if _read(folder) == mark:
            return folder
        try:
            with lock(root / f".{FOLDER}.lock"):  # of two that come at once the other one waits
                if _read(folder) != mark:
                    self._unpack(root, files, folder, mark)
        except OSError as error:
            if error.errno not in _CLOSED:
                raise
            found = f"cannot be written ({error.strerror})"
            raise InputError(f"{root}: data.root: {found}, allowed: a folder to unpack into") from None
        return folder

    def files(self, root: Path) -> list[Path]:
        """The packed files, at any depth, in the order of their names; what was unpacked is left alone."""
        found = []
        for folder, below, names in os.walk(root):
            below[:] = [name for name in below if name not in (FOLDER, f".{FOLDER}")]
            found += [Path(folder, name) for name in names if name.endswith(self.suffix)]
        return sorted(found)

    def _unpack(self, root: Path, files: Sequence[Path], folder: Path, mark: str) -> None:
        new = root / f".{FOLDER}"
        for old in (new, folder):
            with suppress(FileNotFoundError):
                shutil.rmtree(old)
        print(f"{root}: unpacking {len(files):,} {self.suffix} files, once", file=sys.stderr, flush=True)
        counts = lay_out(*self.unpack(root, files), new)
        if "train" not in counts:
            found = " and ".join(counts) or "none with a class"
            raise InputError(f"{root}: pictures: found {found}, allowed: some to train on")
        os.sync()  # all pictures are on disk before the file that says so: once, not a million times
        write_json(new / _DONE, {"files": mark, "pictures": counts})
        rename_folder(new, folder)


def part_of(path: Path, root: Path) -> str:
    """What a packed file holds, as a word of its name or of a folder's says it: train, val or test."""
    words = "".join(c if c.isalpha() else " " for c in str(path.relative_to(root)).lower()).split()
    return next((_PARTS[word] for word in reversed(words) if word in _PARTS), "train")


def _mark(root: Path, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        state = path.stat()
        digest.update(f"{path.relative_to(root)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _read(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / _DONE).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
