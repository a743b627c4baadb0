"""A folder laid out as ImageNet is, of as many tiny pictures: so many files without their 140 GB.

No two pictures have the same pixels or bytes, but nearly every one has its size in common with others, as
photographs have where there are a million of them.
"""

from __future__ import annotations

import argparse
import struct
import sys
import zlib
from pathlib import Path

_SIDE = 8  # pixels
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TOLD = 200  # classes between two lines


def picture(number: int) -> bytes:
    """A PNG whose pixels are a function of its number alone; up to 2³² of them differ."""
    row = b"\0" + (number * 2_654_435_761 % 2**32).to_bytes(4, "little") * (3 * _SIDE // 4)
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    pixels = zlib.compress(row * _SIDE, 1)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_folder(root: Path, images: int, validation: int, classes: int) -> None:
    """`root/train/<class>/*` and `root/val/<class>/*`, named about as ImageNet's.

    Args:
        images: of both parts, at least one of each class in each.
        validation: of them.
    """
    parts = {"train": images - validation, "val": validation}
    number = 0
    for part, count in parts.items():
        for label in range(classes):
            folder = root / part / f"n{label:08}"
            folder.mkdir(parents=True, exist_ok=True)
            for place in range(count // classes + (label < count % classes)):
                (folder / f"n{label:08}_{place:08}.png").write_bytes(picture(number))
                number += 1
            if (label + 1) % _TOLD == 0:
                print(f"{root / part}: {number:,} pictures", file=sys.stderr, flush=True)


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1_280_000, help="in all (default: 1280000)")
    parser.add_argument("--validation", type=int, help="of them (default: 1 of 25)")
    parser.add_argument("--classes", type=int, help="default: 1000, or less where there are few images")
    options = parser.parse_args()
    validation = options.images // 25 if options.validation is None else options.validation
    classes = max(2, min(1000, validation // 10)) if options.classes is None else options.classes
    if not classes <= validation <= options.images - classes:
        parser.error(f"--validation: found {validation}, allowed: {classes} to {options.images - classes}")
    write_folder(options.folder, options.images, validation, classes)


if __name__ == "__main__":
    main()
