"""Reading published data sets through torchvision, which knows their files; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trionet_nni.data.listed import Labelled
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig


def root_of(config: DataConfig) -> Path:
    """The configured folder.

    Raises:
        InputError: none is configured.
    """
    if config.root is None:
        raise InputError(f"data.root: found nothing, allowed: the folder that holds {config.name}")
    return Path(config.root)


def labelled(open_part: Callable[..., Any], root: Path, part: str) -> tuple[list[Labelled], list[str]]:
    """Files and class names of one part of a torchvision data set, without decoding an image.

    Args:
        open_part: the data set's class, which takes `split` and `loader`.

    Raises:
        InputError: its files are not there or not readable.
    """
    try:
        data = open_part(root, split=part, loader=Path)
        items = [data[number] for number in range(len(data))]
    except (RuntimeError, OSError, ValueError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{root}: data.root: found no readable {part} part ({reason})") from None
    return items, list(getattr(data, "classes", ()))
