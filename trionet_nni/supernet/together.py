"""A supernet that several processes of this machine train, and what its curve says meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.curve import Curve, Point
from trionet_nni.supernet.plugin import Report, train_by_plugin
from trionet_nni.training.together import run_together

_LOOK_SECONDS = 1.0  # between two looks at the curve


def train_together(config: ProjectConfig, directory: Path, curve: Curve, report: Report) -> None:
    """Train the supernet of a configuration in `supernet.devices` processes of this machine.

    Args:
        directory: its folder.
        curve: its file, to which the first of the processes adds.
        report: receives the points of the curve, in this process.

    Raises:
        InputError: the configuration cannot be trained.
        RunFailed: it diverged twice, or a process has died too often.
    """
    settings = config.model_dump(mode="json")
    with _reported(curve, report):
        run_together(
            config.supernet.devices, "supernet.devices", _train, settings, str(directory), curve.path
        )


def _train(settings: dict[str, Any], directory: str, curve: Path) -> None:
    train_by_plugin(ProjectConfig.model_validate(settings), Path(directory), Curve(curve).add)


@contextmanager
def _reported(curve: Curve, report: Report) -> Iterator[None]:
    """Pass on what another process adds to the curve."""
    seen: list[Point] = []
    over = threading.Event()

    def look() -> None:
        for point in curve.points():
            if point not in seen:
                seen.append(point)
                report(point)

    def keep_looking() -> None:
        while not over.wait(_LOOK_SECONDS):
            look()

    thread = threading.Thread(target=keep_looking, name="trionet-curve", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()
