"""`trionet segment predict`: segment any pictures with a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from trionet_nni.data.decode import SUFFIXES
from trionet_nni.errors import InputError
from trionet_nni.segmentation.folder import RunFolder
from trionet_nni.segmentation.shared.picture import open_picture, size_of, to_tensor
from trionet_nni.segmentation.shared.task import SegmentationTask


def predict(run: Path, pictures: Sequence[Path], out: Path, *, progress: bool = True) -> int:
    """Write the predictions of pictures and of all pictures in folders.

    Returns:
        How many there were.

    Raises:
        InputError: no finished run, no picture, one that cannot be read, or two of one name.
    """
    paths = found(pictures)
    task: SegmentationTask[Any] = RunFolder(run).open(data=False)
    if torch.cuda.is_available():
        task.model.cuda()
    writer = task.writer(out)
    shown = track(paths, "prediction", console=Console(stderr=True), disable=not progress, transient=True)
    for path in shown:
        pixels = to_tensor(open_picture(path))
        writer.add(path.stem, pixels, task.predict(pixels))
    writer.close()
    return len(paths)


def found(pictures: Sequence[Path]) -> list[Path]:
    """The files, with folders replaced by the pictures in them; each one's head is read.

    Raises:
        InputError: see `predict`.
    """
    paths: list[Path] = []
    for path in pictures:
        inside = [entry for entry in path.iterdir() if _is_picture(entry)] if path.is_dir() else [path]
        if not inside:
            allowed = " ".join(sorted(SUFFIXES))
            raise InputError(f"{path}: pictures: found none, allowed: files that end in {allowed}")
        paths += sorted(inside)
    stems: dict[str, Path] = {}
    for path in paths:
        size_of(path)
        if path.stem in stems:
            raise InputError(f"{path}: name: found {stems[path.stem]} too, allowed: every name once")
        stems[path.stem] = path
    return paths


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
