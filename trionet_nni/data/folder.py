"""A folder with one folder of images for each class."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from trionet_nni.data.decode import SUFFIXES
from trionet_nni.data.leaks import check_folders
from trionet_nni.data.listed import Labelled, listed_source
from trionet_nni.data.source import Dataset, Source
from trionet_nni.errors import InputError
from trionet_nni.files.text import reason
from trionet_nni.settings.project import DataConfig

_NAMED = 3

Listing = dict[str, list[Path]]  # class → its images, sorted


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
        return _source(root, config.image_size, class_images(train_root), None)
    check_folders(train_root, test_root)
    train = class_images(train_root)
    test = class_images(test_root)
    differing = sorted(set(train) ^ set(test))
    if differing:
        found = f"{differing[0]!r} in only one of them"
        raise InputError(f"{test_root}: class folders: found {found}, allowed: those of {train_root}")
    return _source(root, config.image_size, train, test)


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
    listing = {name: _images(root / name, others) for name in _folders(root)}
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


def _images(folder: Path, others: list[Path]) -> list[Path]:
    """Images of a class; other files, but for hidden ones, are added to `others`."""
    with os.scandir(folder) as entries:
        found = [e.name for e in entries if not e.name.startswith(".")]
    names = [name for name in found if _is_image(name)]
    others += [folder / name for name in sorted(set(found).difference(names))]
    if not names:
        allowed = " ".join(sorted(SUFFIXES))
        raise InputError(f"{folder}: images: found none, allowed: files that end in {allowed}")
    return [folder / name for name in sorted(names)]


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122


def _source(root: Path, size: int, train: Listing, test: Listing | None) -> Source:
    numbers = {name: number for number, name in enumerate(train)}

    def labelled(part: Listing) -> list[Labelled]:
        return [(path, numbers[name]) for name, paths in part.items() for path in paths]

    given = None if test is None else labelled(test)
    return listed_source("folder", root, size, tuple(train), labelled(train), given)


DATASETS = (Dataset("folder", open_folder, classes=None, names=class_names),)
