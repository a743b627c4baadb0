"""The module that trains a supernet, `supernet.strategy` in an experiment file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trionet_nni.settings.plugins import load_module
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.curve import Point
from trionet_nni.training.process import prepare_process

Report = Callable[[Point], None]


def train_by_plugin(config: ProjectConfig, directory: Path, report: Report) -> None:
    """This process's part of a supernet's training, or all of it.

    Raises:
        InputError: the configuration cannot be trained.
        RunFailed: it diverged twice.
    """
    prepare_process()
    plugin = load_module(config.supernet.strategy, ("train_supernet",), "supernet.strategy")
    plugin.train_supernet(config, directory, report)
