"""What settings meant before they had a name: an experiment that began earlier goes on as it began."""

from __future__ import annotations

from typing import Any

# By section: a field that came later, and the value at which everything is as it was before it.
BEFORE: dict[str, dict[str, Any]] = {"search": {"metric": "accuracy", "band": 0.0}}


def as_before(stored: Any) -> Any:
    """Stored settings with the fields they lack at what they meant; not for a file that a user writes.

    Args:
        stored: the project's part of an experiment, which may be from an older version.
    """
    if not isinstance(stored, dict):
        return stored
    former = {
        section: {**values, **stored.get(section, {})}
        for section, values in BEFORE.items()
        if isinstance(stored.get(section, {}), dict)
    }
    return {**stored, **former}


def without_former(section: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Fields that make a difference to what there was before: a key made of them is as it was, too."""
    former = BEFORE.get(section, {})
    return {name: value for name, value in fields.items() if name not in former or value != former[name]}
