"""Images of a data set, met before an experiment starts: refused, left out as configured, or read."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.hostile.bench import SIDE, experiment, own_pictures, write_yaml
from tests.hostile.case import CANARY, Case, says
from tests.hostile.payloads import opens_canary
from trionet_nni.cli import main

_REFUSED, _SKIPPED, _READ = "image that is none", "image that is left out", "image in another form"
Write = Callable[[Path], object]


def _search(folder: Path, bad_images: str, **data: Any) -> int:
    changes = {"root": str(folder / "pictures"), "bad_images": bad_images, **data}
    given = [(f"tuner.classArgs.data.{name}", value) for name, value in changes.items()]
    return main(["search", str(write_yaml(folder / "experiment.yml", experiment(*given)))])


def _case(
    kind: str,
    name: str,
    file: str,
    write: Write,
    *line: str,
    bad_images: str = "refuse",
    usable: str = "",
    **data: Any,
) -> Case:
    """One file of a class, written anew."""

    def run(folder: Path) -> int:
        path = own_pictures(folder) / "ant" / file
        path.unlink(missing_ok=True)
        write(path)
        return _search(folder, bad_images, **data)

    return Case(kind, name, "trionet search", run, says(*line), usable)


def _bad(name: str, file: str, write: Write, why: str = "") -> Case:
    return _case(
        _REFUSED, name, file, write, f"ant/{file}: image: found none (", why, "allowed: a readable image"
    )


def _other(name: str, file: str, write: Write) -> Case:
    return _case(_READ, name, file, write, usable="read as RGB")


def _pixels(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    return (np.arange(int(np.prod(shape))) % 251).reshape(shape).astype(dtype)


def _encoded(format_: str, mode: str = "RGB", side: int = SIDE, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_pixels(side, side, 3)).convert(mode).save(file, format_, **options)
    return file.getvalue()


def _bytes(data: bytes) -> Write:
    return lambda path: path.write_bytes(data)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG that claims a size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(body)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _animated(path: Path) -> None:
    frames = [Image.new("RGB", (SIDE, SIDE), (80 * n, 0, 255 - 80 * n)) for n in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=10)


def _saved(array: np.ndarray) -> Write:
    return lambda path: Image.fromarray(array).save(path)


def _palette(path: Path) -> None:
    Image.fromarray(_pixels(SIDE, SIDE, 3)).quantize(16).save(path, transparency=3)


def _eps(path: Path) -> None:
    """PostScript that would be run by gs if Pillow were asked for any format."""
    head = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n"
    path.write_text(f"{head}({path.parents[2] / CANARY}) (w) file closefile\n")


_JPEG, _PNG = _encoded("JPEG"), _encoded("PNG")
REFUSED = (
    _bad("0 bytes", "00.png", _bytes(b""), "cannot identify image file"),
    _bad("a JPEG cut off", "a.jpg", _bytes(_encoded("JPEG", side=64)[:-300]), "truncated"),
    _bad("a PNG cut off", "00.png", _bytes(_PNG[: len(_PNG) // 2])),
    _bad("a PNG with a wrong checksum", "00.png", _bytes(_PNG[:50] + b"????" + _PNG[54:])),
    _bad("a PNG of 0 × 16 pixels", "00.png", _bytes(_png(0, 16))),
    _bad("a PNG of 60,000 × 60,000 pixels", "00.png", _bytes(_png(60_000, 60_000)), "exceeds limit"),
    _bad("a PNG of 10,000 × 10,000 pixels", "00.png", _bytes(_png(10_000, 10_000)), "not 1 to 89,478,485"),
    _bad("a PNG with fewer pixels than it claims", "00.png", _bytes(_png(16, 16, b"\0" * 9))),
    _bad("a GIF without a frame", "a.gif", _bytes(b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + b";")),
    _bad(
        "a TIFF of floating-point numbers",
        "a.tif",
        _saved(_pixels(SIDE, SIDE, dtype=np.float32)),
        "floating-point numbers",
    ),
    _bad("a text", "a.jpg", _bytes(b"<html>404 Not Found</html>"), "cannot identify image file"),
    _bad(
        "a pickle payload",
        "a.png",
        lambda path: path.write_bytes(pickle.dumps(opens_canary(path.parents[2]))),
        "cannot identify",
    ),
    _bad("PostScript that writes a file", "a.jpg", _eps, "cannot identify image file"),
    _bad(
        "an icon, which is no format of pictures",
        "a.bmp",
        _bytes(_encoded("ICO")),
        "cannot identify image file",
    ),
    _bad("a folder with an image's name", "a.png", lambda path: path.mkdir(), "no file"),
    _bad("a link to nothing", "a.png", lambda path: path.symlink_to("nowhere.png"), "no file"),
    _bad("a pipe that never says anything", "a.png", lambda path: os.mkfifo(path), "no file"),
    _bad("an endless device", "a.png", lambda path: path.symlink_to("/dev/zero"), "no file"),
    _case(
        _REFUSED,
        "a line break in its name",
        "a\nb.png",
        _bytes(b"x"),
        "ant/a\\nb.png: image: found none (",
        "allowed: a readable image",
    ),
    _case(
        _REFUSED,
        "one that is decoded on demand",
        "a.png",
        _bytes(b"not read before training"),
        "ant/a.png: image: found none (cannot identify image file",
        image_size=80,
    ),
)

READ = (
    _other("CMYK", "a.jpg", _bytes(_encoded("JPEG", "CMYK"))),
    _other("16 bits a pixel", "a.png", _saved(_pixels(SIDE, SIDE, dtype=np.uint16))),
    _other("an animation", "a.gif", _animated),
    _other("an animated PNG", "a.png", _animated),
    _other("an animated WebP", "a.webp", _animated),
    _other("a PNG that says it is a JPEG", "a.jpg", _bytes(_PNG)),
    _other("a JPEG that says it is a TIFF", "a.tiff", _bytes(_JPEG)),
    _other("transparency", "a.png", _bytes(_encoded("PNG", "RGBA"))),
    _other("a palette with transparency", "a.png", _palette),
    _other("one bit a pixel", "a.png", _bytes(_encoded("PNG", "1"))),
    _other("grey with transparency", "a.png", _bytes(_encoded("PNG", "LA"))),
    _other("CIELAB", "a.tif", _bytes(_encoded("TIFF", "LAB"))),
    _other("one pixel", "a.png", _bytes(_encoded("PNG", side=1))),
    _other("1 × 2000 pixels", "a.png", _saved(_pixels(2000, 1, 3))),
    _other("capital letters", "A.PNG", _bytes(_PNG)),
)


def _many(
    name: str, files: tuple[str, ...], bad_images: str, *line: str, usable: str = "", size: int = SIDE
) -> Case:
    """Several files that are no images."""

    def run(folder: Path) -> int:
        root = own_pictures(folder)
        for file in files:
            (root / file).write_bytes(b"no image")
        return _search(folder, bad_images, image_size=size)

    kind = _SKIPPED if bad_images == "skip" else _REFUSED
    return Case(kind, name, "trionet search", run, says(*line), usable)


_ANTS = tuple(f"ant/{number:02}.png" for number in range(12))
MANY = (
    _case(
        _SKIPPED,
        "an ending that no image has",
        "photo.heic",
        _bytes(_PNG),
        "warning: 1 file is no image by its ending and is left out: ",
        "ant/photo.heic",
        usable="left out",
    ),
    _many(
        "two: counted",
        _ANTS[:2],
        "refuse",
        "ant/00.png: image: found none (",
        "2 of 24 images cannot be read; data.bad_images: skip",
    ),
    _many("all of a class: counted", _ANTS, "refuse", "(12 of 24 images cannot be read; data.bad_images"),
    _many(
        "one",
        _ANTS[:1],
        "skip",
        "warning: 1 of 24 images cannot be read and are left out: ",
        "ant/00.png",
        usable="left out",
    ),
    _many(
        "five",
        _ANTS[:5],
        "skip",
        "warning: 5 of 24 images",
        "ant/00.png, ",
        "ant/02.png …",
        usable="left out",
    ),
    _many(
        "one that would be decoded on demand",
        _ANTS[3:4],
        "skip",
        "warning: 1 of 24",
        "ant/03.png",
        usable="left out",
        size=80,
    ),
    _many(
        "all of a class",
        _ANTS,
        "skip",
        "data.bad_images: found no readable image of 'ant', allowed: one or more",
    ),
    _many(
        "too many for the split",
        (*_ANTS[:10], *(f"bee/{n:02}.png" for n in range(10))),
        "skip",
        "data.search_images: found 4",
        "allowed: below",
    ),
)

CASES = (*REFUSED, *READ, *MANY)
