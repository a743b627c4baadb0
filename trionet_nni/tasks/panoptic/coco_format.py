"""Predictions in COCO's own panoptic format: one PNG a picture and one JSON, as the evaluation server takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trionet_nni.atomic import write_json
from trionet_nni.data.coco_panoptic import encode_ids
from trionet_nni.data.panoptic import Categories, Panoptic


class CocoWriter:
    """Writes `<name>/*.png` and, at the end, `<name>.json`.

    The JSON also holds images and categories, so that `CocoPanoptic` reads it back.

    Args:
        path: the JSON file; the PNG folder has its name without the ending.
    """

    def __init__(self, path: Path, categories: Categories) -> None:
        self.path, self.folder, self.categories = path, path.with_suffix(""), categories
        self.folder.mkdir(parents=True, exist_ok=True)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, image_id: int, image: str, panoptic: Panoptic) -> None:
        """Write one picture's PNG and keep its entry.

        Args:
            image: file name of the picture.
        """
        name = f"{Path(image).stem}.png"
        encode_ids(panoptic.ids).save(self.folder / name)
        height, width = panoptic.ids.shape
        self._images.append({"id": image_id, "file_name": image, "height": height, "width": width})
        segments = segments_info(panoptic, self.categories)
        self._annotations.append({"image_id": image_id, "file_name": name, "segments_info": segments})

    def close(self) -> None:
        """Write the JSON."""
        categories = [
            {"id": category.id, "name": category.name, "isthing": int(category.is_thing)}
            for category in self.categories.all
        ]
        document = {"images": self._images, "annotations": self._annotations, "categories": categories}
        write_json(self.path, document)


def segments_info(panoptic: Panoptic, categories: Categories) -> list[dict[str, Any]]:
    """COCO's entry of every segment; `bbox` is left, top, width and height in pixels."""
    numbers = panoptic.numbers().cpu()
    entries = []
    for number, segment in enumerate(panoptic.segments, 1):
        rows, columns = (numbers == number).nonzero(as_tuple=True)
        corners = [int(torch.min(columns)), int(torch.min(rows)), int(torch.max(columns)), int(torch.max(rows))]
        entries.append(
            {
                "id": segment.id,
                "category_id": categories[segment.label].id,
                "iscrowd": int(segment.crowd),
                "area": len(rows),
                "bbox": [*corners[:2], corners[2] - corners[0] + 1, corners[3] - corners[1] + 1],
            }
        )
    return entries
