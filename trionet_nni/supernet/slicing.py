"""How a sub-network's weights are cut out of the supernet's: which part of which tensor (section 3.3).

A supernet block stores, for every operator, the tensors of its largest candidate. For each tensor of a
static block this file says, dimension by dimension, what part of the stored tensor it is. Nothing here
chooses anything, and nothing needs NNI: evaluation and export cut with the same rules as training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trionet_nni.architecture.architecture import Architecture, Axial, Basic, Bottleneck, Conv, block_widths
from trionet_nni.architecture.cost import Place, place
from trionet_nni.architecture.table import OperatorChoices
from trionet_nni.supernet.sharing import Sharing


@dataclass(frozen=True)
class All:
    """The whole dimension."""

    def view(self, x: Tensor, dim: int) -> Tensor:
        """The tensor itself."""
        return x

    def index(self, full: int) -> list[int]:
        """Positions along the dimension."""
        return list(range(full))


@dataclass(frozen=True)
class Prefix:
    """The first positions: channels of a convolution, rows of a position table."""

    size: int

    def view(self, x: Tensor, dim: int) -> Tensor:
        """A slice."""
        return x.narrow(dim, 0, self.size)

    def index(self, full: int) -> list[int]:
        """Positions along the dimension."""
        return list(range(self.size))


@dataclass(frozen=True)
class Centre:
    """The middle positions: a smaller kernel or window inside a larger one."""

    size: int

    def view(self, x: Tensor, dim: int) -> Tensor:
        """A slice."""
        return x.narrow(dim, (x.shape[dim] - self.size) // 2, self.size)

    def index(self, full: int) -> list[int]:
        """Positions along the dimension."""
        start = (full - self.size) // 2
        return list(range(start, start + self.size))


@dataclass(frozen=True)
class Heads:
    """Channels of attention heads, selected by the sharing rule."""

    sharing: Sharing
    heads: int
    size: int

    def view(self, x: Tensor, dim: int) -> Tensor:
        """What the rule takes, in one dimension or in two: heads × channels of a head."""
        return self.sharing.view(x, dim, self.heads, self.size)

    def index(self, full: int) -> list[int]:
        """Positions along the dimension."""
        return self.sharing.rows(full, self.heads, self.size)


Axis = All | Prefix | Centre | Heads
Cut = tuple[Axis, ...]  # one axis a dimension; dimensions without one are taken whole
BN_TENSORS = ("weight", "bias", "running_mean", "running_var")


def stored_block(choices: OperatorChoices) -> Bottleneck:
    """The candidate whose tensors hold those of all others: largest everywhere, but with the fewest heads.

    Few heads mean wide heads, and a position table as long as a head is wide.
    """
    largest = choices.largest
    if isinstance(largest, Conv):
        return largest
    return replace(largest, heads=choices.smallest.heads)  # type: ignore[union-attr]


def block_cuts(block: Bottleneck, at: Place, sharing: Sharing) -> dict[str, Cut]:
    """For every tensor that a static block shares in part: its cut of the stored tensor.

    Keys are names in `ResidualBlock.state_dict()`; what is not named is shared whole.
    """
    inner = Prefix(block_widths(block, at.output_width).inner)
    cuts: dict[str, Cut] = {"project_in.weight": (inner,)}
    cuts.update({f"bn_in.{name}": (inner,) for name in BN_TENSORS})
    operator, out = _operator_cuts(block, at, sharing, inner)
    cuts.update({f"operator.{name}": cut for name, cut in operator.items()})
    cuts.update({f"bn_operator.{name}": (out,) for name in BN_TENSORS})
    cuts["project_out.weight"] = (All(), out)
    return cuts


def _operator_cuts(
    block: Bottleneck, at: Place, sharing: Sharing, inner: Prefix
) -> tuple[dict[str, Cut], Axis]:
    """Cuts inside the operator, and the axis of the channels that leave it."""
    if isinstance(block, Conv):
        kernel = Centre(block.kernel)
        return {"weight": (inner, inner, kernel, kernel)}, inner
    widths = block_widths(block, at.output_width)
    qk, v = Heads(sharing, block.heads, widths.qk), Heads(sharing, block.heads, widths.v)
    table = Prefix(widths.qk // block.heads)
    if isinstance(block, Axial):
        height: dict[str, Cut] = {"q": (qk, inner), "k": (qk, inner), "v": (v, inner), "table": (table,)}
        width: dict[str, Cut] = {"q": (qk, v), "k": (qk, v), "v": (v, v), "table": (table,)}
        cuts = {f"height.{name}": cut for name, cut in height.items()}
        return {**cuts, **{f"width.{name}": cut for name, cut in width.items()}}, v
    window: Cut = (table, Centre(block.kernel))
    return {"q": (qk, inner), "k": (qk, inner), "v": (v, inner), "rows": window, "columns": window}, v


def cut_out(stored: Tensor, cut: Cut) -> Tensor:
    """The part of a stored tensor, as a view wherever that is possible; gradients flow through it."""
    return cut_view(stored, cut).reshape(cut_shape(stored.shape, cut))


def cut_view(stored: Tensor, cut: Cut) -> Tensor:
    """The part of a stored tensor, always as a view: channels of heads may take two dimensions in it."""
    for dim in reversed(range(len(cut))):  # the last first: a split moves the dimensions behind it
        stored = cut[dim].view(stored, dim)
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
    return [axis.index(size) for axis, size in zip(axes, full, strict=True)]


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
            assert not isinstance(block, Basic)  # no space offers it
            at = place(architecture.skeleton, stage, number, image_size)
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
