"""What settings meant before they had a name: what began earlier goes on as it began."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

# By section: a field that came later, and the value at which everything is as it was before it.
BEFORE: dict[str, dict[str, Any]] = {
    "data": {"recalibration": "held-out"},
    "search": {"metric": "accuracy", "band": 0.0},
}

# Defaults of before they grew with the data. They have always been written down and are part of keys.
_NUMBERS: dict[str, dict[str, Any]] = {"data": {"search_images": 500, "recalibration_images": 256}}


def as_before(stored: Any) -> Any:
    """Settings that an experiment stored, with the fields they lack at what they meant.

    Not for a file that a user writes: there a field that is missing has its default.
    """
    if not isinstance(stored, dict):
        return stored
    return {**stored, **{name: section_as_before(name, stored.get(name, {})) for name in BEFORE}}


def section_as_before(name: str, stored: Any) -> Any:
    """One section of stored settings; whatever is no section stays what it is, to be refused."""
    return {**BEFORE[name], **_NUMBERS.get(name, {}), **stored} if isinstance(stored, dict) else stored


def without_former(section: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Fields that make a difference to what there was before: a key made of them is as it was, too."""
    former = BEFORE[section]
    return {name: value for name, value in fields.items() if name not in former or value != former[name]}


def differing(section: str, settings: BaseModel) -> dict[str, Any]:
    """A section as a key: without defaults, so that a field that is added later leaves the key as it was.

    A field whose default is not what there was before it is in the key, unless it has that former value.
    """
    fields = settings.model_dump()
    later = {name: fields[name] for name in BEFORE[section]}
    given = settings.model_dump(exclude_defaults=True, exclude=set(BEFORE[section]))
    return given | without_former(section, later)
