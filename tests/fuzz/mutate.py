"""Changes to one value of a JSON or YAML document; the fuzzer itself only knows bytes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import yaml

from tests.fuzz.target import SEPARATOR

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in Python takes longer than the reader
_DEEP = "@deep@"
_DEPTH = 3000  # lists in lists; Python's own limit is 1,000 calls
STRANGE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        0.5,
        -0.0,
        1e-300,
        1e308,
        float("inf"),
        float("nan"),
        2**31,
        2**63,
        10**400,
    ),
    *("", "\0", "\x1b[2J\n", "\ud800", "é", "1", "nan", "loss", "/", "..", "x" * 3000, _DEEP),
    *([], {}, [[]], [None], {"": None}, {"default": 0}),
)


def mutated(data: bytes, seed: int) -> bytes | None:
    """An input with one value of one of its documents changed, or None where none of them can be read."""
    chance = random.Random(seed)
    documents = data.split(SEPARATOR)
    which = chance.randrange(len(documents))
    document = _read(documents[which])
    if document is None:
        return None
    try:
        for _ in range(chance.choice((1, 1, 2, 4))):
            document = _changed(document, chance)
        text = _text(document)
    except RecursionError:  # a document that is nested as deeply as it can be read
        return None
    return None if text is None else SEPARATOR.join([*documents[:which], text, *documents[which + 1 :]])


def _read(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return yaml.load(text, Loader=_LOADER)
    except Exception:  # what is no document either is left to the fuzzer's own mutations
        return None


def _text(document: Any) -> bytes | None:
    try:
        text = json.dumps(document, default=str)
    except (ValueError, RecursionError, TypeError):
        return None
    return text.replace(f'"{_DEEP}"', "[" * _DEPTH + "]" * _DEPTH).encode()


def _changed(document: Any, chance: random.Random) -> Any:
    """Replace, drop, double or add one value somewhere."""
    places = list(_places(document))
    if not places:
        return chance.choice(STRANGE)
    within, key = chance.choice(places)
    value = _other(document, within[key], chance)
    how = chance.randrange(4)
    if how == 0:
        del within[key]
    elif how == 1 and isinstance(within, list):
        within.insert(key, value)
    elif how == 1:
        within[chance.choice(("extra", "", f"{key}\n", "seed", "stage"))] = value
    else:
        within[key] = value
    return document


def _other(document: Any, value: Any, chance: random.Random) -> Any:
    """A strange value, one that stands elsewhere in the document, or this one a little different."""
    how = chance.randrange(4)
    if how == 0:
        within, key = chance.choice(list(_places(document)))
        return copy.deepcopy(within[key])
    if how == 1 and isinstance(value, (int, float)) and abs(value) < 1e300:
        return value * chance.choice((-1, 2, 10, 0.5, 1000))
    if how == 1 and isinstance(value, str):
        return value[: chance.randrange(len(value) + 1)]
    if how == 2:
        return [value] if chance.random() < 0.5 else {"default": value}
    return copy.deepcopy(chance.choice(STRANGE))


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """(list or object, index or key) of every value inside."""
    if not isinstance(document, (dict, list)):
        return
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield document, key
        if isinstance(value, (dict, list)):
            yield from _places(value)
