"""A small corpus out of a large one: `python -m tests.fuzz.keep TARGET FOLDER` copies it to tests/fuzz/.

Of all inputs that are refused with the same words the shortest is kept, and the shortest that is accepted.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.fuzz.campaign import CORPUS
from tests.fuzz.registry import target
from tests.fuzz.target import Target

_MOST_BYTES = 6_000  # of a target, beside what was found
_LONGEST = 1_500  # bytes of an input


def kept(one: Target, inputs: Iterable[bytes]) -> list[bytes]:
    """The chosen inputs, the shortest first."""
    chosen: dict[str, bytes] = {}
    size = 0
    with tempfile.TemporaryDirectory() as folder:
        for data in sorted((data for data in inputs if len(data) <= _LONGEST), key=len):
            told = _told(one, data, Path(folder))
            if told not in chosen and size + len(data) <= _MOST_BYTES:
                chosen[told], size = data, size + len(data)
    return list(chosen.values())


def _told(one: Target, data: bytes, folder: Path) -> str:
    """What an input is refused with, without names and numbers of its own."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            one.read(data, folder)
    except one.refusals as error:
        return re.sub(r"'[^']*'|`[^`]*`|\d+", "", str(error).replace(str(folder), ""))[:100]
    return "accepted"


def main(name: str, folder: Path) -> None:
    """Copy the chosen inputs of a folder."""
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    for data in kept(target(name), (path.read_bytes() for path in folder.iterdir())):
        (CORPUS / name / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
