"""A folder with one folder of images for each class."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from trionet_nni.data.decode import SUFFIXES
from trionet_nni.data.image_files import ImageFiles
from trionet_nni.data.leaks import check_folders
from trionet_nni.data.listed import source_of
from trionet_nni.data.source import Dataset, Source
from trionet_nni.errors import InputError
from trionet_nni.files.text import reason
from trionet_nni.settings.project import DataConfig

_NAMED = 3

Listing = dict[str, list[str]]  # class → its images as "class/image", sorted


def open_folder(config: DataConfig) -> Source:
    """`root/train/<class>/*` with `root/test/<class>/*` (or `val`), or only `root/<class>/*`.

    Classes are the folders' names in alphabetical order; images are RGB; files that are no images by
    their suffix are left out.

    Raises:
        InputError: a folder is missing or empty, train and test differ in their classes or share a folder.
    """
    if config.root is None:
        raise InputError("data.root: found nothing, allowed: the folder that holds the class folders")
    root = Path(config.root)
    train_root = _train_root(root)
    test_root = next((root / name for name in ("test", "val") if (root / name).is_dir()), None)
    if train_root == root or test_root is None:
        return _source(root, config.image_size, {train_root: class_images(train_root)})
    check_folders(train_root, test_root)
    train = class_images(train_root)
    test = class_images(test_root)
    differing = sorted(set(train) ^ set(test))
    if differing:
        found = f"{differing[0]!r} in only one of them"
        raise InputError(f"{test_root}: class folders: found {found}, allowed: those of {train_root}")
    return _source(root, config.image_size, {train_root: train, test_root: test})


def class_names(root: Path) -> list[str]:
    """Names of the classes in the order of their labels, without a look at the images.

    Raises:
        InputError: the folder cannot be read or holds fewer than two class folders.
    """
    return _folders(_train_root(root))


def _train_root(root: Path) -> Path:
    return root / "train" if (root / "train").is_dir() else root


def class_images(root: Path) -> Listing:
    """Images of every class folder in `root`.

    Raises:
        InputError: the folder cannot be read, or holds fewer than two classes, or one without images.
    """
    others: list[Path] = []
    listing = {name: _images(root, name, others) for name in _folders(root)}
    if others:
        _warn(others)
    return listing


def _warn(others: list[Path]) -> None:
    """Say what is left out: a photo in a format that is not read would be lost without a word."""
    count = (
        "1 file is no image by its" if len(others) == 1 else f"{len(others):,} files are no images by their"
    )
    names = ", ".join(map(str, others[:_NAMED])) + (" …" if len(others) > _NAMED else "")
    verb = "is" if len(others) == 1 else "are"
    text = f"{count} ending and {verb} left out: {names}"
    print(f"warning: {InputError(text)}", file=sys.stderr, flush=True)  # a name may hold a line break


def _folders(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        found = f"cannot be read ({reason(error)})"
        raise InputError(f"{root}: data.root: {found}, allowed: the folder of the class folders") from None
    if len(names) < 2:
        raise InputError(f"{root}: class folders: found {len(names)}, allowed: 2 or more")
    return names


def _images(root: Path, name: str, others: list[Path]) -> list[str]:
    """Images of a class; other files, but for hidden ones, are added to `others`."""
    folder = root / name
    with os.scandir(folder) as entries:
        found = [e.name for e in entries if not e.name.startswith(".")]
    images = [image for image in found if _is_image(image)]
    others += [folder / other for other in sorted(set(found).difference(images))]
    if not images:
        allowed = " ".join(sorted(SUFFIXES))
        raise InputError(f"{folder}: images: found none, allowed: files that end in {allowed}")
    return [f"{name}/{image}" for image in sorted(images)]


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122


def _source(root: Path, size: int, parts: dict[Path, Listing]) -> Source:
    """Of the images to train on and, where there are any, those to test with."""
    counts = [[len(images) for images in listing.values()] for listing in parts.values()]
    labels = [torch.arange(len(part)).repeat_interleave(torch.tensor(part)) for part in counts]
    names = (
        f"{_below(root, part)}{name}"
        for part, listing in parts.items()
        for images in listing.values()
        for name in images
    )
    train_count = sum(counts[0]) if len(parts) > 1 else None
    classes = tuple(next(iter(parts.values())))
    return source_of("folder", size, classes, ImageFiles(root, names), torch.cat(labels), train_count)


def _below(root: Path, part: Path) -> str:
    return "" if part == root else f"{part.relative_to(root)}/"


DATASETS = (Dataset("folder", open_folder, classes=None, names=class_names),)
