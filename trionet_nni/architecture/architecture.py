"""Architecture: the choice of every block, as a frozen, validated value (Table 1 of the paper).

Three forms of the same thing:

* the value itself, canonical by construction: an option that has no meaning (the kernel of an
  attention block, a block beyond the depth) does not exist in it, so equal networks are equal values;
* JSON, the form that files and other programs use;
* NNI's flat sample, a dictionary from label (`stage1.block2.local.heads`) to choice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trionet_nni.architecture.skeleton import Skeleton, skeleton
from trionet_nni.errors import InputError, shown
from trionet_nni.files.text import parse_json, read_text
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.registry import OPERATORS

Sample = dict[str, Any]
_MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class Basic:
    """ResNet-18's block (He et al. 2016): two 3 × 3 convolutions at the output width, nothing to choose.

    No search space has it: only the skeleton of ResNet-18 takes it, and that one takes nothing else.
    """

    operator: ClassVar[str] = "basic"


Block = Operator | Basic
BLOCKS: dict[str, type[Block]] = {**OPERATORS, Basic.operator: Basic}


@dataclass(frozen=True)
class Architecture:
    """A network: the name of its skeleton and, stage by stage, its blocks.

    Raises:
        InputError: the blocks do not fit the skeleton.
    """

    space: str
    stages: tuple[tuple[Block, ...], ...]

    def __post_init__(self) -> None:
        frame = skeleton(self.space)
        if len(self.stages) != len(frame.widths):
            raise InputError(
                f"stages: found {len(self.stages)}, allowed: {len(frame.widths)} for {self.space!r}"
            )
        for index, stage in enumerate(self.stages):
            _check_stage(index, stage, frame)

    @property
    def skeleton(self) -> Skeleton:
        """The fixed part of the network."""
        return skeleton(self.space)

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks per stage."""
        return tuple(len(stage) for stage in self.stages)

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """(beginning of its NNI labels, choice) of every block, first to last."""
        for stage_index, stage in enumerate(self.stages):
            for block_index, block in enumerate(stage):
                yield block_label(stage_index, block_index), block

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, as Python objects."""
        return {
            "space": self.space,
            "stages": [[block_to_dict(block) for block in stage] for stage in self.stages],
        }

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, data: object) -> Architecture:
        """Read the JSON form.

        Raises:
            InputError: naming the field, what was found and what is allowed.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"architecture: found {type(data).__name__}, allowed: an object")
        _check_keys("architecture", data, {"space", "stages"})
        if not isinstance(data["space"], str):
            raise InputError(f"space: found {type(data['space']).__name__}, allowed: a name")
        if not isinstance(data["stages"], (list, tuple)):
            raise InputError(f"stages: found {type(data['stages']).__name__}, allowed: a list of lists")
        return cls(
            data["space"],
            tuple(_read_stage(index, stage) for index, stage in enumerate(data["stages"])),
        )

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read one JSON document.

        Raises:
            InputError: not JSON, or not an architecture.
        """
        try:
            data = parse_json(text)
        except ValueError as error:
            raise InputError(f"found no readable JSON ({error}), allowed: an architecture") from None
        return cls.from_dict(data)

    @classmethod
    def load(cls, path: str | Path) -> Architecture:
        """Read an architecture file.

        Raises:
            InputError: one line that begins with the file's name.
        """
        text = read_text(Path(path), "an architecture", _MAX_FILE_BYTES)
        try:
            return cls.from_json(text)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    @cached_property
    def hash(self) -> str:
        """Stable name of 16 hexadecimal digits, equal for equal networks."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def operators(self) -> str:
        """The operators alone, for the eye: blocks side by side, a bar between stages."""
        return " | ".join(" ".join(block.operator for block in stage) for stage in self.stages)

    def to_sample(self) -> Sample:
        """NNI's flat sample, active labels only."""
        sample: Sample = {depth_label(stage): depth for stage, depth in enumerate(self.depths)}
        for prefix, block in self.blocks():
            sample[f"{prefix}.operator"] = block.operator
            for option in fields(block):
                sample[f"{prefix}.{block.operator}.{option.name}"] = getattr(block, option.name)
        return sample

    @classmethod
    def from_sample(cls, space: str, sample: Mapping[str, Any]) -> Architecture:
        """Read NNI's flat sample; labels of inactive choices are ignored.

        Raises:
            InputError: a label is missing or its value does not fit.
        """
        stages = []
        for stage_index in range(len(skeleton(space).widths)):
            depth = _lookup(sample, depth_label(stage_index))
            if not _is_int(depth):
                raise InputError(f"{depth_label(stage_index)}: found {shown(depth)}, allowed: an integer")
            stages.append([_sample_block(sample, stage_index, index) for index in range(depth)])
        return cls.from_dict({"space": space, "stages": stages})


def depth_label(stage: int) -> str:
    """NNI label of a stage's depth (stages count from 0, labels from 1, as in the paper)."""
    return f"stage{stage + 1}.depth"


def block_label(stage: int, block: int) -> str:
    """Common beginning of the NNI labels of one block."""
    return f"stage{stage + 1}.block{block + 1}"


def block_to_dict(block: Block) -> dict[str, Any]:
    """JSON form of one block."""
    options = {option.name: getattr(block, option.name) for option in fields(block)}
    return {"operator": block.operator, **options}


def block_from_dict(data: object, where: str = "block") -> Block:
    """Read the JSON form of one block.

    Raises:
        InputError: naming the field, what was found and what is allowed.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: found {type(data).__name__}, allowed: an object")
    kind = _block_kind(where, data.get("operator"))
    _check_keys(where, data, {"operator", *(option.name for option in fields(kind))})
    if issubclass(kind, Basic):
        return kind()
    options = {
        name: option.read(f"{where}.{name}", data[name]) for name, option in kind.option_kinds().items()
    }
    return kind(**options)


def _sample_block(sample: Mapping[str, Any], stage: int, block: int) -> dict[str, Any]:
    prefix = block_label(stage, block)
    operator = _lookup(sample, f"{prefix}.operator")
    kind = _block_kind(prefix, operator)
    options = {
        option.name: _lookup(sample, f"{prefix}.{operator}.{option.name}") for option in fields(kind)
    }
    return {"operator": operator, **options}


def _lookup(sample: Mapping[str, Any], label: str) -> Any:
    if label not in sample:
        raise InputError(f"sample: found no {label!r}, allowed: every active label")
    return sample[label]


def _read_stage(index: int, stage: object) -> tuple[Block, ...]:
    if not isinstance(stage, (list, tuple)):
        raise InputError(f"stages[{index}]: found {type(stage).__name__}, allowed: a list of blocks")
    return tuple(block_from_dict(block, f"stages[{index}][{number}]") for number, block in enumerate(stage))


def _block_kind(where: str, operator: object) -> type[Block]:
    if not isinstance(operator, str) or operator not in BLOCKS:
        raise InputError(f"{where}.operator: found {shown(operator)}, allowed: {', '.join(BLOCKS)}")
    return BLOCKS[operator]


def _check_keys(where: str, data: Mapping[str, Any], allowed: set[str]) -> None:
    missing, extra = sorted(allowed - set(data)), sorted(str(key) for key in set(data) - allowed)
    if missing or extra:
        found = f"no {missing[0]!r}" if missing else shown(extra[0])
        raise InputError(f"{where}: found {found}, allowed: exactly {', '.join(sorted(allowed))}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_stage(index: int, stage: tuple[Block, ...], frame: Skeleton) -> None:
    if not 1 <= len(stage) <= frame.max_depths[index]:
        raise InputError(
            f"stages[{index}]: found {len(stage)} blocks, allowed: 1 to {frame.max_depths[index]}"
        )
    for number, block in enumerate(stage):
        where = f"stages[{index}][{number}]"
        if block.operator not in frame.operators:
            allowed = f"{', '.join(frame.operators)} in the space {frame.name!r}"
            raise InputError(f"{where}.operator: found {block.operator!r}, allowed: {allowed}")
        if isinstance(block, Operator):
            block.check(where, frame.widths[index])
