"""PASCAL VOC's folder format (Everingham et al., IJCV 2010): pictures, masks, and lists of names.

<root>/JPEGImages/<name>.jpg
<root>/SegmentationClass/<name>.png       a pixel is its class, 255 is void
<root>/SegmentationClassAug/<name>.png    of the Semantic Boundaries set (Hariharan et al., ICCV 2011)
<root>/ImageSets/Segmentation/<list>.txt  one name a line: train, val, trainaug …
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trionet_nni.errors import InputError, shown
from trionet_nni.segmentation.shared.picture import open_mask, size_of

VOID = 255
_SUFFIXES = (".jpg", ".jpeg", ".png")
_LONGEST = 200  # letters of a name; file systems take 255 bytes with its ending
_THREADS = 4  # Pillow decodes outside the interpreter lock


@dataclass(frozen=True)
class VocPicture:
    """Where a picture and its mask lie."""

    name: str
    image: Path
    mask: Path


def read_list(
    root: Path, name: str, masks: Sequence[str], images: str | None = None
) -> tuple[VocPicture, ...]:
    """The pictures of a list.

    Args:
        name: of the list, without `.txt`.
        masks: folders of masks in `root`; the first that has a picture's file is taken.
        images: folder of the pictures in `root`; JPEGImages when None.

    Raises:
        InputError: the list cannot be read or is empty, or a file that it names is missing.
    """
    path = root / "ImageSets" / "Segmentation" / f"{name}.txt"
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}), allowed: a list of names") from None
    if not names:
        raise InputError(f"{path}: found no name, allowed: one a line")
    folders = tuple(root / folder for folder in masks)
    return tuple(_find(entry, path, root / (images or "JPEGImages"), folders) for entry in names)


def check(pictures: Sequence[VocPicture], classes: int) -> None:
    """Look at every mask: its size is its picture's, its values are classes or void.

    Raises:
        InputError: for the first that is not so.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(lambda picture: _check(picture, classes), pictures):
            pass


def _find(name: str, path: Path, images: Path, masks: tuple[Path, ...]) -> VocPicture:
    if Path(name).name != name or len(name) > _LONGEST:  # predictions are written under it
        allowed = f"names without folders, of up to {_LONGEST} letters"
        raise InputError(f"{path}: name: found {shown(name)}, allowed: {allowed}")
    image = next((images / f"{name}{end}" for end in _SUFFIXES if (images / f"{name}{end}").exists()), None)
    if image is None:
        missing = f"{images / name}.jpg: found no such file"
        raise InputError(f"{missing}, allowed: a picture for every name in {path}")
    mask = next((folder / f"{name}.png" for folder in masks if (folder / f"{name}.png").exists()), None)
    if mask is None:
        found = f"{masks[0] / name}.png: found no such file" if masks else "data.masks: found none"
        raise InputError(f"{found}, allowed: a mask for every name in {path}")
    return VocPicture(name, image, mask)


def _check(picture: VocPicture, classes: int) -> None:
    mask = open_mask(picture.mask)
    expected = size_of(picture.image)
    if mask.size != expected:
        found, allowed = (f"{width} × {height}" for width, height in (mask.size, expected))
        raise InputError(f"{picture.mask}: size: found {found}, allowed: {allowed} as {picture.image}")
    counts = np.bincount(np.asarray(mask).reshape(-1), minlength=256)
    unknown = np.flatnonzero(counts[classes:VOID])
    if len(unknown):
        raise InputError(
            f"{picture.mask}: class: found {classes + int(unknown[0])}, "
            f"allowed: 0 to {classes - 1}, or {VOID} for void"
        )
