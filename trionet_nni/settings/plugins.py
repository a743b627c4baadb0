"""Plug-ins by dotted path: spaces and strategies are named by an experiment and loaded by that name."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError, shown


def use_code(code: Path) -> None:
    """Let `spaces` and `strategies` be imported from an experiment's code directory, before all others."""
    if str(code) not in sys.path:
        sys.path.insert(0, str(code))


def load_module(name: str, attributes: tuple[str, ...], field: str) -> ModuleType:
    """Import a plug-in module from the installed packages or the experiment's checkout.

    Args:
        name: dotted path, as written in the experiment file.
        attributes: what the module must define.
        field: the experiment file's field, for the message.

    Raises:
        InputError: there is no such module, or it lacks an attribute.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"{field}: found {shown(name)}, allowed: a module's dotted path")
    try:
        module = import_module(name)
    except ImportError as error:
        found = f"{shown(name)} ({error})"
        raise InputError(f"{field}: found {found}, allowed: a module's dotted path") from None
    for attribute in attributes:
        if not hasattr(module, attribute):
            found = f"{name!r}, which defines no {attribute}"
            raise InputError(f"{field}: found {found}, allowed: a module that does")
    return module


def load_table(space: str) -> SpaceTable:
    """The table of a search space, without importing NNI or torch.

    Raises:
        InputError: the module is missing or has no TABLE.
    """
    table = load_module(space, ("TABLE",), "space").TABLE
    if not isinstance(table, SpaceTable):
        found = f"{space!r} with a TABLE of {type(table).__name__}"
        raise InputError(f"space: found {found}, allowed: SpaceTable")
    return table
