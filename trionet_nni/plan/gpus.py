"""Cards that a plan can be made for without having one, and what their makers say of them.

Dense rates, without sparsity, of the SXM version where there are several, from the makers' data sheets:
NVIDIA A10, A100 (2021), H100 (2023), H200 (2024), HGX B200 (2025), L4, L40S. For the RTX cards NVIDIA's
white papers on the GA102, Ada and RTX Blackwell architectures: of their bf16 rates those that add up in
fp32, as torch does.
"""

from __future__ import annotations

from dataclasses import dataclass

from trionet_nni.errors import InputError, nearest


@dataclass(frozen=True)
class Gpu:
    """A card.

    Attributes:
        bf16, fp32: peak, FLOPs a second; bf16 of matrix products, fp32 without TF32.
        bandwidth: of its memory, bytes a second.
        memory: bytes.
    """

    name: str
    bf16: float
    fp32: float
    bandwidth: float
    memory: float


@dataclass(frozen=True)
class Elsewhere:
    """Cards of another machine.

    Attributes:
        gpu: one of `GPUS`.
        count: how many.
        share: of its peak that a pass is assumed to reach.
        assumed: sentences: what was taken for granted.
        unknown: sentences: what an estimate cannot know.
        idle: options by which the search would use all cards; empty where it does.
    """

    gpu: Gpu
    count: int
    share: float
    assumed: tuple[str, ...]
    unknown: tuple[str, ...]
    idle: tuple[str, ...]


_FIGURES = (  # name, 10¹² FLOPs a second in bf16 and fp32, 10⁹ bytes a second, 10⁹ bytes
    ("a10", 125, 31.2, 600, 24),
    ("a100", 312, 19.5, 2039, 80),
    ("a100-40gb", 312, 19.5, 1555, 40),
    ("b200", 2250, 75, 8000, 180),
    ("h100", 989, 67, 3350, 80),
    ("h100-pcie", 756, 51, 2000, 80),
    ("h200", 989, 67, 4800, 141),
    ("l4", 121, 30.3, 300, 24),
    ("l40s", 362, 91.6, 864, 48),
    ("rtx-3090", 71, 35.6, 936, 24),
    ("rtx-4090", 165, 82.6, 1008, 24),
    ("rtx-5090", 209, 104.8, 1792, 32),
)
GPUS = {
    name: Gpu(name, bf16 * 1e12, fp32 * 1e12, bandwidth * 1e9, memory * 1e9)
    for name, bf16, fp32, bandwidth, memory in _FIGURES
}


def gpu_named(name: str) -> Gpu:
    """A card by name, written as people write it: "H100", "RTX 4090".

    Raises:
        InputError: its figures are not known here.
    """
    plain = "-".join(name.lower().replace("_", " ").replace("-", " ").split())
    if plain not in GPUS:
        raise InputError(f"--gpu: found {name!r}, allowed: {', '.join(GPUS)}{nearest(plain, GPUS)}")
    return GPUS[plain]
