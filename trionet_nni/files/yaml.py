"""YAML without surprises: each key once, nothing that grows when it is read, plain values alone."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from trionet_nni.errors import InputError, shown
from trionet_nni.files.text import read_text

_MAX_BYTES = 1_000_000
_MAX_NODES = 20_000  # values once every alias is written out


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        InputError: the file cannot be read, is not YAML, or is no mapping.
    """
    text = read_text(path, "YAML", _MAX_BYTES)
    try:
        data = yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise InputError(f"{path}: found values nested too deeply, allowed: an experiment's YAML") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: 2020-99-99, a number of 5,000 digits
        why = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: found no readable YAML ({why}), allowed: a mapping") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: found {_kind(data)}, allowed: a mapping")
    return data


def read_value(text: str, source: str) -> Any:
    """Read one value as a YAML file would have it: a number, a text, null, [a, list].

    Args:
        source: what a message begins with.

    Raises:
        InputError: it is no value.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:160]
        raise InputError(f"{source}: found no readable value ({why}), allowed: one of YAML's") from None


def _kind(data: object) -> str:
    return "nothing" if data is None else type(data).__name__


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which takes the last of two equal keys and follows every alias."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._composed = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Ends at the first value too many: PyYAML takes half a minute for a megabyte of them."""
        self._composed += 1
        if self._composed > _MAX_NODES:
            raise yaml.YAMLError(f"more than {_MAX_NODES:,} values")
        return super().compose_node(parent, index)

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _size(node, {})
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)  # before `<<` is merged: a key beside it replaces a merged one on purpose
        return super().construct_mapping(node, deep=deep)


def _check_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
        if name in seen and name is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"{shown(key.value)} stands there twice", key.start_mark
            )
        seen.add(name)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values below a node, with every alias written out.

    Raises:
        YAMLError: too many, or a node inside itself.
    """
    if id(node) in known:
        size = known[id(node)]
    elif isinstance(node, yaml.CollectionNode):
        known[id(node)] = _MAX_NODES + 1  # met again below itself, it has no end
        size = known[id(node)] = 1 + sum(_size(child, known) for child in _children(node))
    else:
        size = 1
    if size > _MAX_NODES:
        raise yaml.YAMLError(f"more than {_MAX_NODES:,} values once its aliases are written out")
    return size


def _children(node: yaml.CollectionNode) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value)
