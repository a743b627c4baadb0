"""Files that are either whole or not there: temporary name in the same folder, fsync, rename."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trionet_nni.errors import is_disk_failure

if TYPE_CHECKING:
    from torch import Tensor

_lasting: set[Path] = set()  # folders whose names, and those above them, are on disk


@contextmanager
def replacing(path: str | Path, *, keep: Path | None = None) -> Iterator[Path]:
    """Give a temporary name to write to; on success it takes the place of `path`, else it vanishes.

    Folders above `path` are made. A reader sees the old file or the new one, never half of one, also
    after a power cut.

    Args:
        keep: gets the old file before the new one takes its place.

    Raises:
        OSError: it could not be written; it names `path`.
    """
    path = Path(path)
    with naming(path):
        make_folder(path.parent)
        with _temporary(path) as temporary:
            yield temporary
            _sync(temporary)
            temporary.chmod(0o666 & ~_umask())  # mkstemp gives 0600, an ordinary file follows the umask
            if keep is not None:
                _keep(path, keep)
            os.replace(temporary, path)  # noqa: PTH105
            _sync(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; they are there after a power cut, whoever made them.

    A file that is on disk is nowhere while the name of its folder is not. Each folder is looked after once
    in a process.

    Raises:
        OSError: a folder could not be made or written.
    """
    folder = folder.absolute()
    if folder in _lasting and folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for above in folder.parents:
        try:
            _sync(above)
        except OSError as error:
            if is_disk_failure(error):
                raise
            break  # one that this user may not read: it was there before
    _lasting.add(folder)


def rename_folder(folder: Path, name: Path) -> None:
    """Give a folder another name, which it has after a power cut too.

    Raises:
        OSError: it cannot have it.
    """
    folder.rename(name)
    _sync(name.parent)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Failures of the disk in here are told as ones of `path`: of a write the system names no file.

    Raises:
        OSError: what went wrong.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or (error.filename is not None and not is_disk_failure(error)):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A new file beside `path`; it is gone afterwards unless it was renamed."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def _keep(path: Path, kept: Path) -> None:
    """A second name for the old file; a file of that name from an earlier time goes."""
    if not path.exists():
        kept.unlink(missing_ok=True)
        return
    name = path.with_name(f".{kept.name}.{os.getpid()}.tmp")
    name.unlink(missing_ok=True)
    try:
        _link(path, name)
        os.replace(name, kept)  # noqa: PTH105
    finally:
        name.unlink(missing_ok=True)


def _link(path: Path, name: Path) -> None:
    try:
        os.link(path, name)
    except OSError as error:
        if is_disk_failure(error):
            raise
        shutil.copyfile(path, name)  # a file system without hard links
        _sync(name)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: str | Path, parts: Iterable[bytes | memoryview], *, keep: Path | None = None) -> None:
    """Write the parts one after the other; see `replacing`.

    Raises:
        OSError: it could not be written, or less has arrived than was written.
    """
    with replacing(path, keep=keep) as temporary:
        length = 0
        with open(temporary, "wb") as file:  # noqa: PTH123
            for part in parts:
                file.write(part)
                length += memoryview(part).nbytes
        found = temporary.stat().st_size
        if found != length:
            raise OSError(errno.EIO, f"{found} of {length} bytes have arrived")


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8."""
    write_bytes(path, [text.encode("utf-8")])


def write_json(path: str | Path, data: Any) -> None:
    """Write one JSON document, indented. NaN and infinity are refused: they are no JSON.

    Raises:
        ValueError: a number is not finite.
        TypeError: something in `data` has no JSON form.
    """
    write_text(path, json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors as safetensors; they are copied to the CPU and made contiguous first."""
    from safetensors.torch import save  # the other writers need no torch

    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, [save(own, metadata)])
