"""COCO's panoptic format (Kirillov et al., CVPR 2019; cocodataset.org, "Panoptic Segmentation").

A JSON file names pictures, categories and segments; beside it lies a folder with one PNG a picture, whose
colours are the segments' ids: id = R + 256 G + 256² B, 0 for pixels of no segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trionet_nni.errors import InputError
from trionet_nni.segmentation.panoptic.coco_json import (
    Names,
    read_categories,
    read_document,
    read_names,
    read_segments,
)
from trionet_nni.segmentation.panoptic.panoptic import VOID, Categories, Panoptic, Segment
from trionet_nni.segmentation.shared.picture import open_picture, size_of

_THREADS = 4  # files are read outside the interpreter lock


@dataclass(frozen=True)
class Record:
    """Where a picture and its segments lie, and what the JSON says about them."""

    image_id: int
    image: Path
    png: Path
    width: int
    height: int
    segments: tuple[Segment, ...]


class CocoPanoptic(Sequence[Record]):
    """The annotated pictures of one JSON file, sorted by image id.

    Args:
        annotations: the JSON file, e.g. `annotations/panoptic_val2017.json`.
        images: folder of the pictures, e.g. `val2017`.
        segments: folder of the PNG files; the JSON's name without its ending when None.

    Raises:
        InputError: something in the JSON is missing, of another kind, twice or unknown, or a file that it
            names is not there. What the files hold is checked by `check_sizes` and as they are read.
    """

    def __init__(self, annotations: Path, images: Path, segments: Path | None = None) -> None:
        self.path = annotations
        document = read_document(annotations)
        folder = annotations.with_suffix("") if segments is None else segments
        self.categories = read_categories(document, annotations)
        names = read_names(document, annotations)
        self.records = _records(document, annotations, names, self.categories, images, folder)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Record:  # type: ignore[override]  # no slices
        return self.records[index]

    def check_sizes(self) -> None:
        """Look at the head of every file, so that a wrong one is told before a run and not in its middle.

        Raises:
            InputError: a file is no picture or of another size than the JSON says.
        """
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(_check_sizes, self.records):
                pass

    def picture(self, index: int) -> Image.Image:
        """Decode a picture, RGB.

        Raises:
            InputError: the file is no picture or of another size than the JSON says.
        """
        record = self.records[index]
        image = open_picture(record.image)
        _check_size(record.image, image.size, record)
        return image

    def panoptic(self, index: int) -> Panoptic:
        """Decode a picture's segments.

        Raises:
            InputError: the PNG is no picture, of another size than the JSON says, or its ids are not
                exactly those of the JSON's segments.
        """
        record = self.records[index]
        image = open_picture(record.png)
        _check_size(record.png, image.size, record)
        panoptic = Panoptic(decode_ids(image), record.segments)
        _check_ids(panoptic, record)
        return panoptic

    def read(self, index: int) -> tuple[Image.Image, Panoptic]:
        """A picture and its segments; raises as they do."""
        return self.picture(index), self.panoptic(index)


def _records(
    document: dict[str, object],
    path: Path,
    names: dict[int, Names],
    categories: Categories,
    images: Path,
    folder: Path,
) -> list[Record]:
    present = {kept: _listing(kept) for kept in (images, folder)}
    records = []
    for image_id, (png, segments) in sorted(read_segments(document, path, names, categories).items()):
        name = names[image_id]
        for kept, file in ((images, name.file), (folder, png)):
            if file not in present[kept]:
                raise InputError(
                    f"{kept / file}: found no such file, allowed: the one that {path} names for "
                    f"image {image_id}"
                )
        records.append(
            Record(image_id, images / name.file, folder / png, name.width, name.height, segments)
        )
    return records


def _listing(folder: Path) -> set[str]:
    """Names of all files: one look instead of one a picture."""
    try:
        return {path.name for path in folder.iterdir()}
    except OSError as error:
        raise InputError(f"{folder}: cannot be read as a folder ({error.strerror})") from None


def _check_ids(panoptic: Panoptic, record: Record) -> None:
    found = set(torch.unique(panoptic.ids).tolist()) - {VOID}
    listed = {segment.id for segment in record.segments}
    if strangers := found - listed:
        raise InputError(
            f"{record.png}: id: found {min(strangers)}, allowed: ids in segments_info of "
            f"image {record.image_id}"
        )
    if missing := listed - found:
        raise InputError(
            f"{record.png}: id: found no pixel of segment {min(missing)}, allowed: some for each entry of "
            f"segments_info of image {record.image_id}"
        )


def decode_ids(image: Image.Image) -> Tensor:
    """Segment ids of an RGB picture, int32 [H, W]: R + 256 G + 256² B."""
    rgb = np.asarray(image, dtype=np.int32)
    return torch.from_numpy(rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2])


def encode_ids(ids: Tensor) -> Image.Image:
    """The inverse of `decode_ids`, for ids from 0 to 2²⁴ − 1."""
    values = ids.cpu().numpy().astype(np.uint32)
    return Image.fromarray(np.stack([values >> shift & 255 for shift in (0, 8, 16)], -1).astype(np.uint8))


def _check_sizes(record: Record) -> None:
    for path in (record.image, record.png):
        _check_size(path, size_of(path), record)


def _check_size(path: Path, found: tuple[int, int], record: Record) -> None:
    if found != (record.width, record.height):
        raise InputError(
            f"{path}: size: found {found[0]} × {found[1]}, allowed: {record.width} × {record.height} "
            f"(image {record.image_id})"
        )
