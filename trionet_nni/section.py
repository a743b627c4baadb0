"""What every part of a configuration has in common: pydantic's models, stricter, and their refusals."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from trionet_nni.errors import InputError, shown


class Section(BaseModel):
    """A part of a configuration: known keys only, and every number a finite number."""

    # Defaults are validated too: 10 and 10.0 are equal, but not to the hash of a supernet.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic reads true as 1 and false as 0; no file's name holds a NUL."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        given = value if isinstance(value, (list, tuple)) else [value]
        may_be_bool = bool in (annotation, *get_args(annotation))
        if not may_be_bool and any(isinstance(item, bool) for item in given):
            raise PydanticCustomError("no_bool", "Input should not be true or false")
        if any(isinstance(item, str) and "\0" in item for item in given):
            raise PydanticCustomError("nul", "Input should be a text without NUL")
        return value


def refused(error: ValidationError, source: str) -> InputError:
    """The first thing that is wrong, in one line.

    Args:
        source: what the message begins with: the file and the place in it.
    """
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    where = f"{source}: {field}" if field else source
    # A model's own rule looks at all of it: to show all of it says nothing.
    found = "these settings" if first["type"] == "value_error" and not field else shown(first["input"])
    return InputError(f"{where}: found {found}, allowed: {first['msg']}")
