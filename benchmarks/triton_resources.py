"""What the Triton kernels need of a card that is not here: registers, spills, shared memory, occupancy.

python -m benchmarks.triton_resources > docs/triton.md     (a compiler is enough; takes minutes)

Every kernel of local and axial attention, for every head width and window of the paper's space, in float32
and bfloat16, is compiled ahead of time; the figures are read from the cubin. Occupancy is what registers,
shared memory and the number of warps leave of a multiprocessor's warps.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCAL = ("forward", "backward_queries", "backward_keys")
AXIAL = (*LOCAL, "backward_table")
CARDS = (80, 90, 100)
DTYPES = ("fp32", "bf16")
_NUMBERS = ("heads", "height", "width", "tiles", "total")
_FLOAT_TABLES = ("table", "lse", "delta", "grad_table")
_REGISTERS, _WARPS, _BLOCKS = 65536, 64, 32  # of a multiprocessor, the same for the three
_DATA_SHEET = {80: (19.5, 2.0), 90: (66.9, 3.35), 100: (75.0, 8.0)}  # float32 TFLOP/s, TB/s
_SHARED = {80: 164 << 10, 90: 228 << 10, 100: 228 << 10}


@dataclass(frozen=True)
class Case:
    """A kernel for one shape of heads; window 0: axial attention, with this axis in place of it."""

    kernel: str
    qk: int
    v: int
    window: int
    axis: int = 2

    @property
    def family(self) -> str:
        """Name of the operator."""
        return "local" if self.window else "axial"


@dataclass(frozen=True)
class Resources:
    """Of one compiled kernel; bytes, and warps of `warps` a block."""

    registers: int
    spilled: int
    shared: int
    warps: int

    def occupancy(self, card: int) -> float:
        """Share of the multiprocessor's warps that can be there at once."""
        by_registers = _REGISTERS // max(-(-self.registers // 8) * 8 * 32 * self.warps, 1)
        by_shared = _SHARED[card] // (self.shared + 1024)
        blocks = min(by_registers, by_shared, _BLOCKS, _WARPS // self.warps)
        return blocks * self.warps / _WARPS


def resources(case: Case, dtype: str, card: int, dropout: bool = False) -> Resources:
    """Compile for a card and read what ptxas made of it."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    kernel, constants = _kernel(case, dropout)
    warps = constants.pop("num_warps")
    types = {name: _type(name, dtype) for name in kernel.arg_names}
    known = {name: value for name, value in constants.items() if name in types}
    if not dropout:
        known["seed"] = None
    types |= dict.fromkeys(known, "constexpr")
    source = ASTSource(kernel, types, constexprs=known)
    made = compile(source, target=GPUTarget("cuda", card, 32), options={"num_warps": warps})
    registers, spilled = _from_cubin(made.asm["cubin"])
    return Resources(registers, spilled, made.metadata.shared, warps)


def _kernel(case: Case, dropout: bool) -> tuple[Any, dict[str, Any]]:
    import torch

    from trionet_nni.operators.layers import triton_kernels, triton_line_kernels
    from trionet_nni.operators.layers.triton_attention import Launch, power_of_2
    from trionet_nni.operators.layers.triton_lines import Launch as LineLaunch

    heads = 8
    q, v = (torch.empty(2, heads * width, 56, 56, device="meta") for width in (case.qk, case.v))
    if case.window:
        own = {"MASK": False, "DROP": dropout, "TAPS": power_of_2(case.window**2)}
        kernel = getattr(triton_kernels, case.kernel)
        return kernel, own | Launch.of(q, v, case.window, heads).constants()
    kernel = getattr(triton_line_kernels, case.kernel)
    return kernel, {"DROP": dropout} | LineLaunch.of(q, v, heads, case.axis).constants()


def _type(name: str, dtype: str) -> str:
    if name in _NUMBERS:
        return "i32"
    if name in ("seed", "rate"):
        return "*i64" if name == "seed" else "fp32"
    return "*fp32" if name in _FLOAT_TABLES else f"*{dtype}"


def _from_cubin(cubin: bytes) -> tuple[int, int]:
    """Registers of a thread, and bytes that it keeps in local memory because they are too few."""
    import triton

    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [str(tool), "-res-usage", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {name: int(value) for name, value in re.findall(r"(REG|STACK|LOCAL):(\d+)", text)}
    return found["REG"], found["STACK"] + found["LOCAL"]


def head_widths() -> list[tuple[int, int]]:
    """(q, v) channels of a head that the paper's space has."""
    from spaces.trionet import TABLE
    from trionet_nni.operators.attention import Attention

    found = set()
    for column in TABLE.operators:
        for block, width in itertools.product(column.blocks, TABLE.skeleton.widths):
            if isinstance(block, Attention):
                found.add((block.qk_width(width) // block.heads, block.out(width) // block.heads))
    return sorted(found)


def cases(widths: Sequence[tuple[int, int]]) -> Iterator[Case]:
    """Every kernel for these head widths, and for local attention every window."""
    for qk, v in widths:
        for window in (3, 5, 7):
            yield from (Case(kernel, qk, v, window) for kernel in LOCAL)
        yield from (Case(kernel, qk, v, 0) for kernel in AXIAL)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dropout", action="store_true", help="the kernels with dropout inside")
    options = parser.parse_args()
    widths = head_widths()
    for text in itertools.chain(roofline(widths), [""], table(list(cases(widths)), options.dropout)):
        print(text, flush=True)
    return 0


def roofline(widths: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Markdown: FLOPs of a pass ÷ bytes that it must move, and what binds it on each card.

    Keys and values are read once; all else would be caches that fail. Products only, by float32 units:
    the kernels use no tensor cores.
    """
    yield "FLOPs ÷ byte forward / backward, and what binds the forward pass by data sheet (m memory, a"
    yield "arithmetic). Keys: of the window, or 56, 28, 14, 7 on a line."
    yield ""
    cards = " | ".join(f"sm_{card}, {text}" for card in CARDS for text in DTYPES)
    yield f"| q, v | keys | fp32 | bf16 | {cards} |"
    yield "|---" * (4 + 2 * len(CARDS)) + "|"
    for (qk, v), keys in itertools.product(widths, (9, 25, 49, 56, 28, 14, 7)):
        forward, backward = 2 * keys * (2 * qk + v), 2 * keys * (6 * qk + 2 * v)
        moved = {"fp32": 4 * (2 * qk + 2 * v), "bf16": 2 * (2 * qk + 2 * v)}
        shares = [f"{forward / moved[t]:.0f} / {backward / (2 * moved[t]):.0f}" for t in DTYPES]
        balance = {card: flops / bandwidth for card, (flops, bandwidth) in _DATA_SHEET.items()}
        bound = ["m" if forward / moved[t] < balance[card] else "a" for card in CARDS for t in DTYPES]
        yield f"| {qk}, {v} | {keys} | {' | '.join(shares)} | {' | '.join(bound)} |"


def table(rows: Sequence[Case], dropout: bool) -> Iterator[str]:
    """Markdown: a line a kernel and type, the cards side by side."""
    yield "Registers / bytes spilled / KiB of shared memory / occupancy, by compute capability."
    yield ""
    yield f"| kernel | q, v | window | type | {' | '.join(f'sm_{card}' for card in CARDS)} |"
    yield "|---" * (4 + len(CARDS)) + "|"
    for case, dtype in itertools.product(rows, DTYPES):
        cells = []
        for card in CARDS:
            found = resources(case, dtype, card, dropout)
            shares = f"{found.shared / 1024:.2g} / {found.occupancy(card):.0%}"
            cells.append(f"{found.registers} / {found.spilled} / {shares}")
        name = f"{case.family} {case.kernel}"
        yield f"| {name} | {case.qk}, {case.v} | {case.window or ''} | {dtype} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
