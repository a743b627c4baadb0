"""How a sub-network's weights are cut out of the supernet's: which part of which tensor (section 3.3).

A supernet block stores, for every operator, the tensors of the candidate that holds all others'. An
operator says, dimension by dimension, what part of a stored tensor is a candidate's (`operators.parts`);
here the sharing rule says which channels of heads those are, and the parts become views. Nothing here
chooses anything, and nothing needs NNI: evaluation and export cut with the same rules as training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.parts import All, Centre, HeadChannels, Part, Parts, Prefix
from trionet_nni.operators.place import Place
from trionet_nni.supernet.sharing import Sharing


@dataclass(frozen=True)
class Heads:
    """Channels of attention heads, selected by a sharing rule."""

    sharing: Sharing
    heads: int
    size: int


Axis = All | Prefix | Centre | Heads
Cut = tuple[Axis, ...]  # one axis a dimension; dimensions without one are taken whole
BN_TENSORS = ("weight", "bias", "running_mean", "running_var")


def block_cuts(block: Operator, at: Place, sharing: Sharing) -> dict[str, Cut]:
    """For every tensor that a static block shares in part: its cut of the stored tensor.

    Keys are names in `ResidualBlock.state_dict()`; what is not named is shared whole.
    """
    inner: Parts = (Prefix(block.inner(at.output_width)),)
    out: Parts = (block.out_part(at.output_width),)
    parts: dict[str, Parts] = {"project_in.weight": inner}
    parts.update({f"bn_in.{name}": inner for name in BN_TENSORS})
    parts.update({f"operator.{name}": part for name, part in block.parts(at).items()})
    parts.update({f"bn_operator.{name}": out for name in BN_TENSORS})
    parts["project_out.weight"] = (All(), *out)
    return {name: tuple(_axis(part, sharing) for part in part_of) for name, part_of in parts.items()}


def _axis(part: Part, sharing: Sharing) -> Axis:
    return Heads(sharing, part.heads, part.size) if isinstance(part, HeadChannels) else part


def _view(x: Tensor, dim: int, axis: Axis) -> Tensor:
    """Part of a dimension; channels of heads may take two dimensions: heads × channels of a head."""
    match axis:
        case All():
            return x
        case Prefix(size):
            return x.narrow(dim, 0, size)
        case Centre(size):
            return x.narrow(dim, (x.shape[dim] - size) // 2, size)
        case Heads(sharing, heads, size):
            return sharing.view(x, dim, heads, size)


def _positions(full: int, axis: Axis) -> list[int]:
    """The same part as positions along the dimension."""
    match axis:
        case All():
            return list(range(full))
        case Prefix(size):
            return list(range(size))
        case Centre(size):
            start = (full - size) // 2
            return list(range(start, start + size))
        case Heads(sharing, heads, size):
            return sharing.rows(full, heads, size)


def cut_out(stored: Tensor, cut: Cut) -> Tensor:
    """The part of a stored tensor, as a view wherever that is possible; gradients flow through it."""
    return cut_view(stored, cut).reshape(cut_shape(stored.shape, cut))


def cut_view(stored: Tensor, cut: Cut) -> Tensor:
    """The part of a stored tensor, always as a view: channels of heads may take two dimensions in it."""
    for dim in reversed(range(len(cut))):  # the last first: a split moves the dimensions behind it
        stored = _view(stored, dim, cut[dim])
    return stored


def cut_shape(full: Sequence[int], cut: Cut) -> tuple[int, ...]:
    """Shape of the part of a tensor of shape `full`."""
    return tuple(len(line) for line in _lines(full, cut))


def cut_index(stored: Tensor, cut: Cut) -> tuple[Tensor, ...]:
    """The same part as an index: `stored[cut_index(stored, cut)]`."""
    lines = [torch.tensor(line) for line in _lines(stored.shape, cut)]
    return torch.meshgrid(*lines, indexing="ij") if len(lines) > 1 else (lines[0],)


def within(cut: Cut, other: Cut, full: Sequence[int]) -> bool:
    """Whether everything that a cut takes of a tensor of shape `full`, the other cut takes too."""
    pairs = zip(_lines(full, cut), _lines(full, other), strict=True)
    return all(set(mine) <= set(theirs) for mine, theirs in pairs)


def _lines(full: Sequence[int], cut: Cut) -> list[list[int]]:
    """Positions along every dimension."""
    axes = (*cut, *([All()] * (len(full) - len(cut))))
    return [_positions(size, axis) for axis, size in zip(axes, full, strict=True)]


def stored_name(name: str, operator: str) -> str:
    """Name of a static block's tensor inside a supernet block, where operators stand side by side."""
    for own, shared in (("operator.", "operators."), ("bn_operator.", "bn_operators.")):
        if name.startswith(own):
            return f"{shared}{operator}.{name.removeprefix(own)}"
    return name


def subnetwork_state(
    state: Mapping[str, Tensor], architecture: Architecture, sharing: Sharing, image_size: int
) -> dict[str, Tensor]:
    """The state of a static `TrioNet`, cut out of a supernet's.

    Args:
        state: the supernet's `state_dict()`.
        architecture: which sub-network.
        sharing: the rule the supernet was trained with.
        image_size: side of the square input in pixels.

    Returns:
        Copies, whose BN statistics mean nothing until they are recalibrated.
    """
    result = {
        name: tensor.detach().clone() for name, tensor in state.items() if not name.startswith("stages.")
    }
    for stage, blocks in enumerate(architecture.stages):
        for number, block in enumerate(blocks):
            assert isinstance(block, Operator)  # no space offers another block
            at = architecture.skeleton.place(stage, number, image_size)
            cuts = block_cuts(block, at, sharing)
            source = f"stages.{stage}.blocks.{number}."
            for name, stored in _block_tensors(state, source, block.operator):
                part = cut_out(stored, cuts.get(name, ()))
                result[f"stages.{stage}.{number}.{name}"] = part.detach().clone().contiguous()
    return result


def _block_tensors(state: Mapping[str, Tensor], source: str, operator: str) -> Iterator[tuple[str, Tensor]]:
    """(name in the static block, stored tensor) of everything that a sub-network's block uses."""
    for key, stored in state.items():
        if not key.startswith(source):
            continue
        name = key.removeprefix(source)
        for own, shared in (("operator.", "operators."), ("bn_operator.", "bn_operators.")):
            if name.startswith(shared):
                name = name.removeprefix(shared)
                if not name.startswith(f"{operator}."):
                    break
                name = own + name.removeprefix(f"{operator}.")
        else:
            yield name, stored
