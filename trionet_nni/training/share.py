"""The share of a batch that a process trains on, where several train together."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Process number `rank` of `world`; a batch's parts are given out in blocks, in order of the ranks."""

    rank: int
    world: int

    def of(self, parts: int) -> range:
        """The numbers of this process's parts.

        Args:
            parts: of the whole batch, a multiple of `world`.
        """
        each = parts // self.world
        return range(self.rank * each, (self.rank + 1) * each)


ALONE = Share(0, 1)


def this_share() -> Share:
    """This process's, as torchrun's agent says it in the environment; `ALONE` without one."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ALONE
    return Share(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
