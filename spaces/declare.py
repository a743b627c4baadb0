"""From a table to NNI: the build() of every space."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trionet_nni.architecture.table import SpaceTable

if TYPE_CHECKING:
    from spaces.model_space import TrioNetSpace


def declares(table: SpaceTable) -> Callable[..., TrioNetSpace]:
    """A function of (classes, channels, image_size) that declares the table with NNI's primitives."""

    def build(*, classes: int, channels: int, image_size: int) -> TrioNetSpace:
        from spaces.model_space import TrioNetSpace  # NNI takes seconds to import

        return TrioNetSpace(table, classes=classes, channels=channels, image_size=image_size)

    return build
