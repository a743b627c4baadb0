"""How long a pass must take at the least: every operation at the machine's own rate of bytes or arithmetic.

The operations of a pass are listed by running it on the meta device, where nothing is computed. Each reads
its inputs once and writes its outputs once, and takes max(bytes ÷ bandwidth, FLOPs ÷ rate); views take
nothing. Attention counts as one operation a pass (an axial layer as two): that is what its kernel is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from trionet_nni.operators.layers.line_routes import LINE_ROUTES
from trionet_nni.operators.layers.routes import ROUTES

_FREE = ("empty", "detach", "_unsafe_view", "_reshape_alias", "new_empty", "lift_fresh")


@dataclass(frozen=True)
class Rates:
    """Bytes and FLOPs a second, in one type of number."""

    bytes: float
    flops: float


@dataclass
class Floor(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what runs under it; use `floor_of`.

    Attributes:
        kept: bytes that a forward pass keeps for the backward pass.
        bound: seconds of what is bound by memory, and by arithmetic.
    """

    rates: Rates
    seconds: float = 0.0
    bytes: int = 0
    flops: int = 0
    kept: int = 0
    bound: dict[str, float] = field(default_factory=lambda: {"memory": 0.0, "arithmetic": 0.0})

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run and count."""
        out = func(*args, **(kwargs or {}))
        if not _is_free(func):
            formula = flop_registry.get(func.overloadpacket)
            flops = formula(*args, **(kwargs or {}), out_val=out) if formula else 0
            self.add(_size(args) + _size(kwargs) + _size(out), flops)
        return out

    def add(self, moved: int, flops: int) -> None:
        """One operation of `moved` bytes and `flops` FLOPs."""
        memory, arithmetic = moved / self.rates.bytes, flops / self.rates.flops
        self.bytes, self.flops = self.bytes + moved, self.flops + flops
        self.seconds += max(memory, arithmetic)
        self.bound["memory" if memory > arithmetic else "arithmetic"] += max(memory, arithmetic)


def floor_of(
    module: torch.nn.Module,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    rates: Rates,
    *,
    backward: bool = True,
) -> Floor:
    """Of a forward and a backward pass, gradient of the input included, all numbers of type `dtype`.

    The module is moved to the meta device for good: give a copy.

    Args:
        backward: or else of a forward pass alone, which keeps nothing.
    """
    module = module.to(device="meta", dtype=dtype)
    floor = Floor(rates)
    x = torch.empty(shape, dtype=dtype, device="meta", requires_grad=backward)
    if not backward:
        with torch.no_grad(), floor, _attention_as_one(floor):
            module(x)
        return floor
    with floor, _attention_as_one(floor):
        with _keeping(floor):
            out = module(x)
        out.backward(torch.empty_like(out))
    return floor


@contextmanager
def _keeping(floor: Floor) -> Iterator[None]:
    """Count what autograd keeps: every storage once, however many operations keep it."""
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no other storage gets its address

    def keep(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        kept[storage._cdata] = storage
        return x

    with saved_tensors_hooks(keep, lambda x: x):
        yield
    floor.kept = sum(storage.nbytes() for storage in kept.values())


@contextmanager
def _attention_as_one(floor: Floor) -> Iterator[None]:
    """Attention on the meta device as a single operation, not as the formula's many."""

    def window(q: Tensor, k: Tensor, v: Tensor, r: Tensor, *_: object) -> Tensor:
        return _One.apply(floor, q, k, v, r, r.shape[-1] ** 2)  # type: ignore[no-any-return]

    def line(q: Tensor, k: Tensor, v: Tensor, table: Tensor, heads: int, axis: int, *_: object) -> Tensor:
        return _One.apply(floor, q, k, v, table, q.shape[axis])  # type: ignore[no-any-return]

    formulas = ROUTES["window"], LINE_ROUTES["formula"]
    ROUTES["window"], LINE_ROUTES["formula"] = window, line
    try:
        yield
    finally:
        ROUTES["window"], LINE_ROUTES["formula"] = formulas


class _One(torch.autograd.Function):
    """Forward: q, k, v in, out out; 3 products. Backward: also the gradients; 8 products."""

    @staticmethod
    def forward(ctx: Any, floor: Floor, q: Tensor, k: Tensor, v: Tensor, r: Tensor, keys: int) -> Tensor:
        """Return what has the shape of v; `keys` are those of one query."""
        ctx.save_for_backward(q, k, v, r)
        ctx.floor = floor
        # Products over the keys: q·k, q·r and weights·v forward; backward the first two again, and
        # grad·v and the gradients of q (from k and from r), r, k and v.
        ctx.taps = 2 * keys * q.shape[0] * q.shape[2] * q.shape[3]
        floor.add(_size((q, k, v, v)), ctx.taps * (2 * q.shape[1] + v.shape[1]))
        return torch.empty_like(v)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return what has the shapes of the inputs."""
        q, k, v, r = ctx.saved_tensors
        ctx.floor.add(2 * _size((q, k, v, grad)), ctx.taps * (6 * q.shape[1] + 2 * v.shape[1]))
        return None, *(torch.empty_like(x) for x in (q, k, v, r)), None


def _size(tree: Any) -> int:
    leaves = tree_leaves(tree)
    return sum(x.numel() * x.element_size() for x in leaves if isinstance(x, Tensor))


def _is_free(func: Any) -> bool:
    """Views and allocations move nothing."""
    returns = [r.alias_info for r in func._schema.returns]
    view = bool(returns) and all(alias is not None and not alias.is_write for alias in returns)
    return view or func.overloadpacket.__name__.startswith(_FREE)
