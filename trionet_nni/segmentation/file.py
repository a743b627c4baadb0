"""A run's file, read and written: a `SegmentationConfig` whose task there is, with paths of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from trionet_nni.errors import InputError, shown
from trionet_nni.files.atomic import write_text
from trionet_nni.files.text import reason
from trionet_nni.segmentation.registry import task_entry
from trionet_nni.segmentation.shared.config import SegmentationConfig
from trionet_nni.settings.changes import Change, changed, naming
from trionet_nni.settings.project import read_yaml
from trionet_nni.settings.section import refused


def parse_config(data: Any, source: str) -> SegmentationConfig:
    """Validate a document.

    Args:
        source: what messages begin with.

    Raises:
        InputError: one line for the first thing that is wrong.
    """
    try:
        config = SegmentationConfig.model_validate(data)
    except ValidationError as error:
        raise refused(error, source, SegmentationConfig) from None
    _check_task(config, source)
    return config


def _check_task(config: SegmentationConfig, source: str) -> None:
    """Refuse a task that there is not, and data or a batch that it cannot learn from."""
    entry = task_entry(config.task, f"{source}: task")
    if config.data.format != entry.format:
        allowed = f"{entry.format} for the task {config.task}"
        raise InputError(f"{source}: data.format: found {config.data.format!r}, allowed: {allowed}")
    batch = config.recipe.batch_size
    if batch < entry.smallest_batch:
        allowed = f"{entry.smallest_batch} or more: {entry.smallest_batch_reason}"
        raise InputError(f"{source}: recipe.batch_size: found {batch}, allowed: {allowed}")


def read_config(path: Path, changes: Sequence[Change] = ()) -> SegmentationConfig:
    """Read a run's file; relative paths in it become ones from its folder.

    Args:
        changes: of its settings, from the command line; the run's folder keeps the whole with them.

    Raises:
        InputError: one line that names the file, the field, what was found and what is allowed.
    """
    document = changed(read_yaml(path), changes)
    with naming(path, changes):
        return _with_paths(parse_config(document, str(path)), path)


def _with_paths(config: SegmentationConfig, path: Path) -> SegmentationConfig:
    base = path.resolve().parent
    root = _path(base, config.data.root, f"{path}: data.root")
    data = config.data.model_copy(update={"root": str(root)})
    named = {
        name: _beside(base, getattr(config.backbone, name), f"{path}: backbone.{name}")
        for name in ("network", "weights")
    }
    backbone = config.backbone.model_copy(update=named)
    return config.model_copy(update={"data": data, "backbone": backbone})


def _beside(base: Path, value: str, field: str) -> str:
    """A path from the file's folder, where there is one; names stay names."""
    path = _path(base, value, field)
    return str(path) if path.exists() else value


def _path(base: Path, value: str, field: str) -> Path:
    try:
        path = base / Path(value).expanduser()
        path.exists()
    except (RuntimeError, OSError) as error:  # an unknown ~user; 5,000 letters
        raise InputError(f"{field}: found {shown(value)} ({reason(error)}), allowed: a path") from None
    return path


def write_config(path: Path, config: SegmentationConfig) -> None:
    """Write a run's file that `read_config` reads back."""
    write_text(path, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
