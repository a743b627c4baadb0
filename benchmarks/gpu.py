"""On a GPU: each operator and the largest passes against what the card can do, Triton against unfold.

`python -m benchmarks.gpu --output docs/gpu.json` takes one call of under 9 minutes; what did not fit is
named. Without a GPU it runs as a small check of itself: CPU sizes, Triton's interpreter, no targets.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.ratio import Row, Timings, arguments, interleaved, machine, prepare, show
from benchmarks.roofline import measured_rates, waiting
from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.skeleton import SKELETONS
from trionet_nni.files.atomic import write_json
from trionet_nni.network.trionet import TrioNet
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.layers.axial_attention import AxialAttention
from trionet_nni.operators.layers.conv import SpatialConv
from trionet_nni.operators.layers.local_attention import LocalAttention
from trionet_nni.operators.layers.triton_attention import triton_attention
from trionet_nni.operators.layers.window_attention import window_attention
from trionet_nni.operators.local import Local
from trionet_nni.plan.floor import Floor, Rates, floor_of

LARGEST: dict[str, Block] = {  # the largest choice of each operator in Table 1
    "conv": Conv(1 / 4, 7),
    "local": Local(1 / 2, 7, 1.0, 1.0, 8),
    "axial": Axial(1 / 2, 1.0, 1.0, 8),
}
_SECONDS = 500.0  # after which no further comparison starts


@dataclass(frozen=True)
class Scale:
    """Sizes of a run: full ones on a card, small ones for the check on a CPU."""

    device: torch.device
    dtype: torch.dtype
    batch: int
    operators: tuple[tuple[int, int], ...]  # side of the map, channels
    skeleton: str
    image_size: int
    space: str
    local: tuple[int, int]  # side and channels of Triton ÷ unfold
    exact: tuple[tuple[int, int, int, int, int], ...]  # images, heads, side, channels of a head, window
    copied_mb: int
    matrix: int

    @property
    def on_card(self) -> bool:
        """Whether the targets apply."""
        return self.device.type == "cuda"

    def target(self, value: float) -> float | None:
        """A target, on a card."""
        return value if self.on_card else None

    def autocast(self) -> torch.autocast:
        """bf16 on a card."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.on_card)


CARD = Scale(
    torch.device("cuda"), torch.bfloat16, 256, ((56, 64), (28, 128), (14, 256), (7, 512)), "trionet", 224,
    "spaces.trionet", (56, 128), ((2, 8, 20, 8, 7), (1, 4, 13, 2, 3), (2, 2, 14, 64, 7), (1, 3, 9, 6, 5)),
    4000, 8192,
)  # fmt: skip
CHECK = Scale(
    torch.device("cpu"), torch.float32, 2, ((14, 16), (7, 32)), "trionet-small", 32, "spaces.small",
    (8, 4), ((1, 2, 5, 2, 3),), 32, 512,
)  # fmt: skip


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--output", type=Path, help="write the JSON here too, with the card's name")
    options = parser.parse_args()
    scale = CARD if torch.cuda.is_available() else CHECK
    extra: dict[str, Any] = {"left_out": [], "gpu": scale.on_card}
    if not scale.on_card:
        _interpret_triton()
        extra["said"] = "No GPU here: a check that this file runs, on small CPU sizes; no figure of a card."
        print(extra["said"], file=sys.stderr if options.json else sys.stdout)
    prepare(options)
    torch.backends.cudnn.benchmark = True  # as in training on fixed shapes
    rows: list[Row] = []

    def kept() -> Iterator[Row]:
        for row in measure(scale, options, extra):
            rows.append(row)
            yield row
        for name in extra["left_out"]:
            print(f"left out: {name}", file=sys.stderr if options.json else sys.stdout)

    code = show(kept(), options, extra)
    if options.output is not None:
        write_json(options.output, {"machine": machine(), "rows": [row.to_dict() for row in rows], **extra})
    return code


def _interpret_triton() -> None:
    """Start again with Triton's interpreter: Triton reads the switch as torch imports it."""
    if os.environ.get("TRITON_INTERPRET") != "1":
        os.environ["TRITON_INTERPRET"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.gpu", *sys.argv[1:]])


def measure(scale: Scale, options: argparse.Namespace, extra: dict[str, Any]) -> Iterator[Row]:
    """Every row; equality first, for a wrong kernel's speed is worth nothing."""
    start = time.monotonic()
    yield from equality(scale)
    rates = measured_rates(scale.device, scale.dtype, scale.copied_mb, scale.matrix)
    extra["rates"] = {"bytes_per_second": rates.bytes, "flops_per_second": rates.flops}
    extra["floors"] = {}
    parts: list[tuple[str, Callable[[], Iterator[Row]]]] = [
        ("Triton ÷ unfold", lambda: triton_against_unfold(scale, min(5, options.rounds))),
        *(
            (f"largest {name} pass", lambda name=name: largest_pass(scale, name, rates, options, extra))  # type: ignore[misc]
            for name in LARGEST
        ),
        ("supernet step", lambda: supernet(scale, options, extra)),
        *(
            (f"operators at {size}", lambda size=size: operators(scale, size, rates, options, extra))  # type: ignore[misc]
            for size in scale.operators
        ),
    ]
    for name, part in parts:
        if time.monotonic() - start > _SECONDS:
            extra["left_out"].append(f"{name} (time)")
            continue
        try:
            yield from part()
        except torch.OutOfMemoryError:
            extra["left_out"].append(f"{name} (memory)")
        if scale.on_card:
            torch.cuda.empty_cache()
    extra["seconds"] = time.monotonic() - start


def equality(scale: Scale) -> Iterator[Row]:
    """Largest error of the Triton kernel against the formula in float64 ÷ what is allowed."""
    for shape in scale.exact:
        for border in ("zero", "mask"):
            images, heads, side, depth, window = shape
            inputs = [torch.randn(images, heads * depth, side, side) * depth**-0.25 for _ in range(3)]
            inputs = [x.to(scale.device) for x in (*inputs, torch.randn(depth, window, window))]
            grad = torch.randn_like(inputs[0])
            mine, exact = (
                _with_gradients(attend, [x.to(dtype) for x in inputs], heads, border, grad.to(dtype))
                for attend, dtype in ((triton_attention, torch.float32), (window_attention, torch.float64))
            )
            forward = float((mine[0] - exact[0]).abs().max() / exact[0].abs().max()) / 2e-6
            backward = max(
                float((x - y).norm() / y.norm().clamp(min=1.0))
                for x, y in zip(mine[1:], exact[1:], strict=True)
            )
            case = f"Triton's error, {shape}, {border}"
            yield Row(f"{case}: forward ÷ 2e-6", forward, forward, forward, 1, 1.0)
            backward /= 1e-5
            yield Row(f"{case}: gradients ÷ 1e-5", backward, backward, backward, 1, 1.0)


def _with_gradients(
    attend: Any, inputs: list[Tensor], heads: int, border: str, grad: Tensor
) -> list[Tensor]:
    inputs = [x.detach().requires_grad_() for x in inputs]
    out = attend(*inputs, heads, border)
    return [out.detach(), *torch.autograd.grad(out, inputs, grad)]


def triton_against_unfold(scale: Scale, rounds: int) -> Iterator[Row]:
    """Time and memory of unfold ÷ the Triton kernel's, forward + backward; 8 heads, window 7 (a CPU: 3)."""
    side, channels = scale.local
    heads, window = (8, 7) if scale.on_card else (2, 3)
    shape = (scale.batch, channels, side, side)
    q, k, v, grad = (torch.randn(shape, device=scale.device, dtype=scale.dtype) for _ in range(4))
    r = torch.randn(channels // heads, window, window, device=scale.device, dtype=scale.dtype)
    sides = {
        name: waiting(lambda f=f: _with_gradients(f, [q, k, v, r], heads, "zero", grad), scale.device)  # type: ignore[misc]
        for name, f in (("unfold", window_attention), ("triton", triton_attention))
    }
    case = f"unfold ÷ Triton, batch {scale.batch}, {side}², {channels} channels, m {window}"
    note = "" if scale.on_card else "Triton's interpreter: its speed means nothing"
    if scale.on_card:
        peaks = {name: _peak(run) for name, run in sides.items()}
        ratio = peaks["unfold"] / peaks["triton"]
        memory = f"{peaks['unfold'] / 2**20:,.0f} against {peaks['triton'] / 2**20:,.0f} MiB"
        yield Row(f"{case}: memory", ratio, ratio, ratio, 1, 10.0, "at least", memory)
    timings = interleaved(sides, rounds=rounds if scale.on_card else 1, warmup=1)
    yield timings.row(f"{case}: time", "unfold", "triton", scale.target(10.0), bound="at least", note=note)


def _peak(run: Callable[[], object]) -> int:
    """Bytes above what was held before."""
    run()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return torch.cuda.max_memory_allocated() - before


def operators(
    scale: Scale, size: tuple[int, int], rates: Rates, options: argparse.Namespace, extra: dict[str, Any]
) -> Iterator[Row]:
    """Forward + backward of each operator with its projections ÷ its floor."""
    side, width = size
    layers: dict[str, nn.Module] = {
        "conv 3 × 3": SpatialConv(width, 3, 1),
        "conv 7 × 7": SpatialConv(width, 7, 1),
        "local 7": LocalAttention(width, width, width, 8, 7),
        "axial": AxialAttention(width, width, width, 8, side),
    }
    for name, layer in layers.items():
        case = f"{name}, {side}², {width} channels ÷ floor"
        shape = (scale.batch, width, side, side)
        yield _against_floor(scale, case, layer.to(scale.dtype), shape, rates, options.rounds, extra)


def largest_pass(
    scale: Scale, name: str, rates: Rates, options: argparse.Namespace, extra: dict[str, Any]
) -> Iterator[Row]:
    """Forward + backward of the largest network of one operator under autocast ÷ its roofline."""
    depths = SKELETONS[scale.skeleton].max_depths
    architecture = Architecture(scale.skeleton, tuple((LARGEST[name],) * depth for depth in depths))
    network = TrioNet(architecture, image_size=scale.image_size)
    case = f"largest {name} pass, {scale.image_size} pixels, batch {scale.batch} ÷ roofline"
    shape = (scale.batch, 3, scale.image_size, scale.image_size)
    yield _against_floor(scale, case, network, shape, rates, options.rounds, extra, 2.0)


def _against_floor(
    scale: Scale,
    case: str,
    module: nn.Module,
    shape: tuple[int, ...],
    rates: Rates,
    rounds: int,
    extra: dict[str, Any],
    target: float | None = None,
) -> Row:
    floor = floor_of(copy.deepcopy(module), shape, scale.dtype, rates)
    extra["floors"][case] = _described(floor)
    module = module.to(scale.device, memory_format=torch.channels_last)
    x = torch.randn(shape, device=scale.device, dtype=next(module.parameters()).dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()

    def both_passes() -> None:
        for tensor in (x, *module.parameters()):
            tensor.grad = None
        with scale.autocast():
            out = module(x)
        out.backward(torch.ones_like(out))

    seconds = interleaved({"run": waiting(both_passes, scale.device)}, rounds=rounds).seconds["run"]
    timings = Timings({"run": seconds, "floor": (floor.seconds,) * len(seconds)})
    reached = f"{timings.median('run') * 1e3:.2f} ms"
    return timings.row(case, "run", "floor", scale.target(target) if target else None, note=reached)


def _described(floor: Floor) -> dict[str, Any]:
    return {
        "seconds": floor.seconds,
        "gigabytes": floor.bytes / 1e9,
        "gigaflops": floor.flops / 1e9,
        "bound_by": max(floor.bound, key=lambda name: floor.bound[name]),
    }


def supernet(scale: Scale, options: argparse.Namespace, extra: dict[str, Any]) -> Iterator[Row]:
    """Images a second of sandwich steps (each image passes four sub-networks)."""
    try:
        from benchmarks.gpu_supernet import sandwich_step
    except ImportError as error:
        extra["left_out"].append(f"supernet step ({error})")
        return
    step = sandwich_step(scale.space, scale.image_size, scale.batch, scale.device, scale.autocast)
    seconds = interleaved({"step": waiting(step, scale.device)}, rounds=options.rounds).seconds["step"]
    timings = Timings({"step": seconds, "image": (1.0,) * len(seconds)})
    inverse = Timings({"step": tuple(scale.batch / s for s in seconds), "image": timings.seconds["image"]})
    case = f"supernet, {scale.image_size} pixels, batch {scale.batch}: images a second"
    yield inverse.row(
        case, "step", "image", note="not a ratio; random sub-networks differ from step to step"
    )


if __name__ == "__main__":
    sys.exit(main())
