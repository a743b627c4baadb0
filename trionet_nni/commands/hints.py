"""What to say about an option that a command does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from trionet_nni.errors import InputError, shown
from trionet_nni.settings.changes import OPTION
from trionet_nni.settings.project import ProjectConfig

# Commands that have `--set`, and the sections of settings that they use.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "search": ("search", "supernet", "data", "retrain"),
    "plan": ("search", "supernet", "data", "retrain"),
    "retrain": ("retrain",),
    "finetune": ("finetune",),
}


def unknown_options(command: str, rest: Sequence[str]) -> InputError:
    """One line about what was typed and is no option: the setting of that name, where there is one.

    Args:
        command: as it was typed.
        rest: the arguments that nobody took.
    """
    option, _, given = rest[0].partition("=")
    value = given or next((word for word in rest[1:2] if not word.startswith("-")), "VALUE")
    name = option.lstrip("-").replace("-", "_")
    hints = [f"{OPTION} {path}={value}" for path in _paths(command) if path.rpartition(".")[2] == name]
    allowed = " or ".join(hints) if option.startswith("-") and hints else f"see trionet {command} --help"
    return InputError(f"{command}: found {shown(option)}, allowed: {allowed}")


def _paths(command: str) -> Iterator[str]:
    """Dotted names of all settings that a command uses."""
    for section in SECTIONS.get(command, ()):
        yield from _fields(section, ProjectConfig.model_fields[section].annotation)


def _fields(path: str, annotation: Any) -> Iterator[str]:
    kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
    models = [kind for kind in kinds if issubclass(kind, BaseModel)]
    if not models:
        yield path
    for model in models:
        for name, field in model.model_fields.items():
            yield from _fields(f"{path}.{name}", field.annotation)
