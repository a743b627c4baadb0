"""What every part of panoptic segmentation speaks of: categories, segments, and a map of their ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

VOID = 0  # id of the pixels that belong to no segment
IGNORE = 255  # label of the pixels that count neither for nor against a prediction


@dataclass(frozen=True)
class Category:
    """A class of the data set. Things are countable (person), stuff is not (sky)."""

    id: int
    name: str
    is_thing: bool


class Categories:
    """Categories in the order of their ids; a category's place in it is its label 0 … N − 1."""

    def __init__(self, categories: Iterable[Category]) -> None:
        self.all = tuple(sorted(categories, key=lambda category: category.id))

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, label: int) -> Category:
        return self.all[label]

    def to_list(self) -> list[dict[str, Any]]:
        """As COCO's JSON has them."""
        return [{"id": c.id, "name": c.name, "isthing": int(c.is_thing)} for c in self.all]

    @cached_property
    def labels(self) -> dict[int, int]:
        """Label, the position in `all`, of each category id of COCO."""
        return {category.id: label for label, category in enumerate(self.all)}

    @cached_property
    def things(self) -> Tensor:
        """Whether a label is a thing, bool [N]."""
        return torch.tensor([category.is_thing for category in self.all], dtype=torch.bool)


@dataclass(frozen=True, slots=True)
class Segment:
    """One thing, one kind of stuff, or (`crowd`) a group of things that nobody told apart.

    Attributes:
        id: its value in the map of ids, 1 … 2²⁴ − 1.
        label: of its category.
    """

    id: int
    label: int
    crowd: bool = False


@dataclass(frozen=True)
class Panoptic:
    """A picture divided into segments.

    Attributes:
        ids: segment of every pixel, 0 where there is none, int [H, W].
        segments: all segments of the map, each once.
    """

    ids: Tensor
    segments: tuple[Segment, ...]

    def numbers(self) -> Tensor:
        """Place of every pixel's segment in `segments`, counted from 1; void is 0. int64 [H, W].

        Raises:
            ValueError: an id of the map belongs to no segment.
        """
        known = torch.tensor([VOID, *(segment.id for segment in self.segments)], device=self.ids.device)
        order = known.argsort()
        place = torch.searchsorted(known[order], self.ids.long()).clamp_(max=len(known) - 1)
        numbers = order[place]
        if not torch.equal(known[numbers], self.ids.long()):
            stranger = int(self.ids[known[numbers] != self.ids][0])
            raise ValueError(f"id {stranger} of the map belongs to no segment")
        return numbers

    def labels(self, void: int = IGNORE) -> Tensor:
        """Label of every pixel; `void` where there is no segment. int64 [H, W]."""
        values = torch.tensor([void, *(segment.label for segment in self.segments)], device=self.ids.device)
        return values[self.numbers()]
