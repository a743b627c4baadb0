"""CIFAR-10 as folders of pictures: 10,000 to train on, all 10,000 test images.

    python -m benchmarks.worth pictures cifar10-12k.zip cifar10-rest.zip

The first archive holds 1,000 training images of each class and 200 for testing; of the second, which holds
the other 40,000 and 8,000, only those for testing are taken.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

_TAKEN = {"train": True, "test": True}, {"train": False, "test": True}  # of the first and second archive


def unpack(archives: tuple[Path, Path], target: Path) -> int:
    """Unpack what the comparison uses into `target`/{train,test}/<class>/; returns the number of images."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    count = 0
    for archive, taken in zip(archives, _TAKEN, strict=True):
        with zipfile.ZipFile(archive) as images:
            for name in images.namelist():
                _, part, *rest = name.split("/")
                if rest and rest[-1] and taken.get(part, False):
                    _write(partial.joinpath(part, *rest), images.read(name))
                    count += 1
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(target)
    return count


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
