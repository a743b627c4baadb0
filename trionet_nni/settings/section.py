"""What every part of a configuration has in common: pydantic's models, stricter, and their refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from trionet_nni.errors import InputError, shown

_LONGEST = 200  # characters of a field's name in a message


class Section(BaseModel):
    """A part of a configuration: known keys only, and every number a finite number."""

    # Defaults are validated too: 10 and 10.0 are equal, but not to the hash of a supernet.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic reads true as 1 and false as 0; no file's name holds a NUL."""
        given = value if isinstance(value, (list, tuple)) else [value]
        annotation = cls.model_fields[info.field_name or ""].annotation
        may_be_bool = any(
            kind is bool or isinstance(kind, bool) for kind in (annotation, *get_args(annotation))
        )
        if not may_be_bool and any(isinstance(item, bool) for item in given):
            raise PydanticCustomError("no_bool", "Input should not be true or false")
        if any(isinstance(item, str) and "\0" in item for item in given):
            raise PydanticCustomError("nul", "Input should be a text without NUL")
        return value


def refused(error: ValidationError, source: str, model: type[BaseModel]) -> InputError:
    """One thing that is wrong, in one line: an unknown key before what may be missing because of it.

    Args:
        source: what the message begins with: the file and the place in it.
        model: what the settings should have been.
    """
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] in ("extra_forbidden", "invalid_key")), found[0])
    field = ".".join(str(part) for part in first["loc"])
    field = field if len(field) <= _LONGEST else field[:_LONGEST] + "…"  # what is allowed comes after it
    where = f"{source}: {field}" if field else source
    if first["type"] == "extra_forbidden":
        allowed = f"no such key, but {_keys(model, first['loc'][:-1])}"
    elif first["type"] == "missing":
        return InputError(f"{where}: found nothing, allowed: a value")
    else:
        allowed = first["msg"].removeprefix("Value error, ")  # pydantic's words for a rule of ours
    # A model's own rule looks at all of it: to show all of it says nothing.
    what = "these settings" if first["type"] == "value_error" and not field else shown(first["input"])
    return InputError(f"{where}: found {what}, allowed: {allowed}")


def _keys(model: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """The keys of a model, or of the one that a path of fields leads to."""
    for part in path:
        field = model.model_fields.get(str(part))
        model = next(_models(field.annotation), model) if field is not None else model
    return ", ".join(field.alias or name for name, field in model.model_fields.items())


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
