"""The share of a batch that a process trains on, where several train together."""

from __future__ import annotations

import os
from dataclasses import dataclass

from trionet_nni.errors import InputError


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


def processes_here() -> int:
    """How many processes of this training share the machine's cores, as torchrun's agent says it."""
    return 1 if this_share() == ALONE else int(os.environ["LOCAL_WORLD_SIZE"])


def check_shares(batch_size: int, where: str) -> None:
    """Refuse a batch that the processes of this training cannot share equally.

    Args:
        where: its recipe stands.

    Raises:
        InputError: it is no multiple of their number.
    """
    world = this_share().world
    if batch_size % world:
        allowed = f"a multiple of the {world} processes"
        raise InputError(f"{where}: batch_size: found {batch_size}, allowed: {allowed}")


def check_devices(field: str, devices: int, cards: int, where: str = "this machine") -> None:
    """Refuse more processes than there are GPUs; without any, processes share the cores.

    Args:
        field: that asks for them, e.g. "supernet.devices".
        where: the GPUs are.

    Raises:
        InputError: there are too few.
    """
    if cards and devices > cards:
        allowed = f"up to the {cards} GPUs of {where}"
        raise InputError(f"{field}: found {devices}, allowed: {allowed}")
