"""Predictions in COCO's own panoptic format: one PNG a picture, one JSON, ready for its server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from trionet_nni.files.atomic import write_json
from trionet_nni.segmentation.panoptic.coco_panoptic import Record, encode_ids
from trionet_nni.segmentation.panoptic.overlay import overlay
from trionet_nni.segmentation.panoptic.panoptic import Categories, Panoptic


class CocoWriter:
    """Writes `panoptic/<name>.png`, `overlays/<name>.png` and, at the end, `panoptic.json`.

    The JSON also holds images and categories, so that `CocoPanoptic` reads it back.

    Args:
        known: pictures of the data set by name. Of others the number that their name is, or else their
            place in the order of writing, becomes the image id.
    """

    def __init__(self, folder: Path, categories: Categories, known: Mapping[str, Record]) -> None:
        self.folder, self.categories, self.known = folder, categories, known
        for name in ("panoptic", "overlays"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, pixels: Tensor, prediction: Panoptic) -> None:
        """Write one picture's two files and keep its entry; pixels are uint8 [3, H, W]."""
        file = f"{name}.png"
        encode_ids(prediction.ids).save(self.folder / "panoptic" / file)
        painted = overlay(pixels, prediction).permute(1, 2, 0)
        Image.fromarray(painted.numpy()).save(self.folder / "overlays" / file)
        number, image = self._identity(name)
        height, width = prediction.ids.shape
        self._images.append({"id": number, "file_name": image, "height": height, "width": width})
        segments = segments_info(prediction, self.categories)
        self._annotations.append({"image_id": number, "file_name": file, "segments_info": segments})

    def close(self) -> None:
        """Write `panoptic.json`: pictures, segments and categories of all that was added."""
        categories = self.categories.to_list()
        document = {"images": self._images, "annotations": self._annotations, "categories": categories}
        write_json(self.folder / "panoptic.json", document)

    def _identity(self, name: str) -> tuple[int, str]:
        """Image id and file name of a picture."""
        if name in self.known:
            return self.known[name].image_id, self.known[name].image.name
        number = int(name) if name.isdecimal() else len(self._images) + 1
        return number, f"{name}.jpg"


def segments_info(panoptic: Panoptic, categories: Categories) -> list[dict[str, Any]]:
    """COCO's entry of every segment; `bbox` is left, top, width and height in pixels."""
    numbers = panoptic.numbers().cpu()
    entries = []
    for number, segment in enumerate(panoptic.segments, 1):
        rows, columns = (numbers == number).nonzero(as_tuple=True)
        (left, right), (top, bottom) = (tuple(map(int, line.aminmax())) for line in (columns, rows))
        entries.append(
            {
                "id": segment.id,
                "category_id": categories[segment.label].id,
                "iscrowd": int(segment.crowd),
                "area": len(rows),
                "bbox": [left, top, right - left + 1, bottom - top + 1],
            }
        )
    return entries
