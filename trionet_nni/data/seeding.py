"""Random numbers as a function of what they are for: no order of calls, no global state."""

from __future__ import annotations

import hashlib

import torch


def seed_of(*parts: int | str) -> int:
    """A seed of 63 bits from any number of parts, e.g. (seed, "epoch", 3)."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def seeded(*parts: int | str) -> torch.Generator:
    """A generator on the CPU seeded with `seed_of(*parts)`."""
    generator = torch.Generator()
    generator.manual_seed(seed_of(*parts))
    return generator
