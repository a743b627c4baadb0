"""Pieces of work that leave a result behind, known by what they are made from: run once, then reused."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.folder import CURVE, is_complete
from trionet_nni.supernet.train import ensure_supernet, supernet_directory

RESULT = "result.json"


class Job(ABC):
    """One piece of work.

    Its life: every job of `needs` is done; then `run` in a process of its own, which may be killed and run
    again; then `result` from any process. Jobs are frozen dataclasses, so equal work is done once.
    """

    @property
    @abstractmethod
    def title(self) -> str:
        """What a progress line calls it."""

    @property
    def needs(self) -> tuple[Job, ...]:
        """What has to be done before."""
        return ()

    @abstractmethod
    def result(self, working: Path) -> dict[str, Any] | None:
        """What it came to, or None."""

    @abstractmethod
    def run(self, working: Path) -> None:
        """Do it, or go on with it.

        Args:
            working: folder of all experiments; see `Scale.working`.
        """


@dataclass(frozen=True)
class SupernetJob(Job):
    """A trained supernet; its result is its training curve."""

    config: ProjectConfig

    @property
    def title(self) -> str:
        """Names the switches of Table 3 that are off, the length and the seed."""
        supernet = self.config.supernet
        off = [
            name
            for name, is_off in (
                ("sandwich", not supernet.sandwich),
                ("HS", "uniform" in supernet.sampling),
                ("MHS", "prefix" in supernet.sharing),
            )
            if is_off
        ]
        recipe = supernet.recipe
        length = f"{recipe.steps} steps" if recipe.steps else f"{recipe.epochs:g} epochs"
        return f"supernet{''.join(f' w/o {name}' for name in off)}, {length}, seed {recipe.seed}"

    def folder(self, working: Path) -> Path:
        """Where nnictl's experiments look too: a supernet is trained once for all of them."""
        return supernet_directory(working, self.config)

    def result(self, working: Path) -> dict[str, Any] | None:
        """{"curve": the points of its training curve}; None until it is trained."""
        folder = self.folder(working)
        if not is_complete(folder, self.config.supernet_hash()):
            return None
        from trionet_nni.supernet.curve import Curve

        return {"curve": Curve(folder / CURVE).points()}

    def run(self, working: Path) -> None:
        """Train the supernet, or go on from its checkpoint."""
        ensure_supernet(self.config, self.folder(working), working / "cache", lambda point: None)


def read_result(folder: Path) -> dict[str, Any] | None:
    """A job's stored result, or None."""
    try:
        found = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def key_of(*parts: Any) -> str:
    """A name for what something is made from."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
