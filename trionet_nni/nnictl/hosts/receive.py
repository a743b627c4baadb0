"""Runs on a host, by itself: takes in what a search needs. Standard library only, and nothing of ours.

In `~/nni-experiments/trionet/store` every file lies once, by the SHA-256 of its content; an experiment's
folder has links to them. What is there is read and compared before it is used again.

In: a line {"experiment", "files": {path: [sha256, bytes]}, "texts": {path: text}}, where FOLDER in a text
is the experiment's folder here. Out: a line {"lacks": [sha256, …]}. In: those files' bytes, in that order.
Out: a line {"folder", "received": bytes}.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

PART = 1 << 20


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's content."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(PART):
            found.update(part)
    return found.hexdigest()


def take_in(store: Path, digest: str, size: int) -> None:
    """One file from standard input; it is whole and right, or not there."""
    handle, name = tempfile.mkstemp(prefix=".", dir=store)
    found, left = hashlib.sha256(), size
    try:
        with os.fdopen(handle, "wb") as file:
            while left:
                part = sys.stdin.buffer.read(min(PART, left))
                if not part:
                    sys.exit("the connection ended in the middle of a file")
                file.write(part)
                found.update(part)
                left -= len(part)
            file.flush()
            os.fsync(file.fileno())
        if found.hexdigest() != digest:
            sys.exit(f"a file arrived with SHA-256 {found.hexdigest()}, which was sent as {digest}")
        Path(name).replace(store / digest)
    finally:
        Path(name).unlink(missing_ok=True)


def put(path: Path, make: Callable[[Path], object]) -> None:
    """A file that is whole or not there: `make` gets a temporary name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    make(new)
    new.replace(path)


def write(text: str, path: Path) -> None:
    """A text file."""
    path.write_text(text, encoding="utf-8")


def link(source: Path, path: Path) -> None:
    """A second name for a file."""
    try:
        os.link(source, path)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, path)


def main() -> None:
    """Take in one order."""
    order = json.loads(sys.stdin.buffer.readline())
    experiments = Path.home() / "nni-experiments"
    folder, store = experiments / order["experiment"] / "trionet", experiments / "trionet" / "store"
    store.mkdir(parents=True, exist_ok=True)
    sizes = dict(order["files"].values())
    lacks = [name for name in sizes if not (store / name).exists() or digest_of(store / name) != name]
    print(json.dumps({"lacks": lacks}), flush=True)
    for name in lacks:
        take_in(store, name, sizes[name])
    (folder / "ready").unlink(missing_ok=True)
    for path, (name, _) in order["files"].items():
        put(folder / path, partial(link, store / name))
    texts = {**order["texts"], "python.txt": sys.executable, "ready": ""}  # the last one comes last
    for path, text in texts.items():
        put(folder / path, partial(write, text.replace("FOLDER", str(folder))))
    print(json.dumps({"folder": str(folder), "received": sum(sizes[name] for name in lacks)}), flush=True)


if __name__ == "__main__":
    main()
