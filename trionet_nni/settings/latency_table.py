"""How long every candidate block of a space takes somewhere, as a file: written once, read by searches.

`trionet latency --table` measures it on the machine that the networks are for. A network's latency is
predicted as a sum over its blocks, those of each operator times a factor, and a rest; factors and rest were
fitted to whole networks (Cai et al., ICLR 2019, take the sum alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from trionet_nni.architecture.architecture import Architecture, Block, block_from_dict
from trionet_nni.architecture.ceiling import Ceiling, Position
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError
from trionet_nni.files.text import read_json
from trionet_nni.operators.place import Place
from trionet_nni.settings.section import Section, refused

_Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class MeasuredBlock(Section):
    """One candidate at one place: the median of its passes."""

    input_width: int
    output_width: int
    size: int
    stride: int
    block: dict[str, Any]
    ms: _Milliseconds


class LatencyFile(Section):
    """The content of the file.

    Attributes:
        space: name of the skeleton.
        image_size, channels, classes: what the networks are for.
        machine, versions: where it was measured.
        outside: milliseconds of a network beside its blocks.
        scales: by operator, what a block takes inside a network ÷ what it takes alone.
        scale: of operators without one of their own; in tables of before there were `scales`, of all.
        margin: none of the networks that were fitted takes more than 1 + margin times what the fit to the
            others predicts; 0 in tables of before there was the field.
    """

    format: Literal[1] = 1
    space: str
    image_size: int
    channels: int
    classes: int
    backend: str
    batch: int
    threads: int
    machine: str
    versions: dict[str, str]
    outside: float = Field(allow_inf_nan=False)
    scale: _Milliseconds
    scales: dict[str, _Milliseconds] = Field(default_factory=dict)
    margin: float = Field(0.0, ge=0, allow_inf_nan=False)
    blocks: list[MeasuredBlock]


@dataclass(frozen=True)
class LatencyTable:
    """Predicts the latency of a space's networks.

    Attributes:
        blocks: milliseconds of every candidate at every place.
    """

    file: LatencyFile
    blocks: Mapping[Place, Mapping[Block, float]]

    @classmethod
    def of(cls, file: LatencyFile) -> LatencyTable:
        """The table of a file's content."""
        blocks: dict[Place, dict[Block, float]] = {}
        for one in file.blocks:
            place = Place(one.input_width, one.output_width, one.size, one.stride)
            blocks.setdefault(place, {})[block_from_dict(one.block)] = one.ms
        return cls(file, blocks)

    @classmethod
    def load(cls, path: Path) -> LatencyTable:
        """Read a file.

        Raises:
            InputError: it is missing, or no such table.
        """
        data = read_json(path, "a table of latencies, which trionet latency --table writes")
        try:
            return cls.of(LatencyFile.model_validate(data))
        except ValidationError as error:
            raise refused(error, str(path), LatencyFile) from None
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def totals(self, architecture: Architecture) -> dict[str, float]:
        """The sum over a network's blocks of each operator, milliseconds."""
        frame, size = architecture.skeleton, self.file.image_size
        found: dict[str, float] = {}
        for stage, blocks in enumerate(architecture.stages):
            for index, block in enumerate(blocks):
                ms = self.blocks[frame.place(stage, index, size)][block]
                found[block.operator] = found.get(block.operator, 0.0) + ms
        return found

    def scale(self, operator: str) -> float:
        """See `LatencyFile.scales`."""
        return self.file.scales.get(operator, self.file.scale)

    def predict(self, architecture: Architecture) -> float:
        """Milliseconds of a pass."""
        totals = self.totals(architecture).items()
        return self.file.outside + sum(self.scale(operator) * ms for operator, ms in totals)

    def ceiling(self, table: SpaceTable, image_size: int, limit: float, field: str) -> Ceiling:
        """The limit of a search, with the margin; by predictions alone half of the networks would keep it.

        Raises:
            InputError: the file is of another space or image size, or lacks a candidate.
        """
        for name, found, wanted in (
            ("space", self.file.space, table.space),
            ("image_size", self.file.image_size, image_size),
        ):
            if found != wanted:
                raise InputError(f"search.budget.table: {name}: found {found}, allowed: {wanted}")
        safe = 1 + self.file.margin
        scaled: dict[Position, dict[Block, float]] = {}
        for at in table.positions():
            known = self.blocks.get(table.skeleton.place(*at, image_size), {})
            missing = [block for block in table.blocks if block not in known]
            if missing:
                raise InputError(
                    f"search.budget.table: found no {missing[0]} at stage {at[0] + 1}, block {at[1] + 1}, "
                    "allowed: every candidate of the space, as trionet latency --table measures them"
                )
            scaled[at] = {block: safe * self.scale(block.operator) * known[block] for block in table.blocks}
        return Ceiling(field, limit, safe * self.file.outside, scaled)
