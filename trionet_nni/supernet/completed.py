"""What a supernet's training wrote in the end, for a report."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from trionet_nni.files.text import read_object
from trionet_nni.settings.section import Section, refused

_LARGEST = 10**15


class _Part(Section):
    model_config = ConfigDict(extra="ignore")  # what a report does not show is not looked at


class _Images(_Part):
    images: int = Field(ge=0, le=_LARGEST)


class _Data(_Part):
    splits: dict[str, _Images] = Field(default_factory=dict)


class Completed(_Part):
    """A training that came to its end; fields that it did not write are None or empty.

    Attributes:
        steps: optimizer steps.
        seconds: of training, interruptions left out.
        operators_sampled: how many blocks of each operator were drawn.
        data: images of each split.
    """

    steps: int | None = Field(None, ge=0, le=_LARGEST)
    seconds: float | None = Field(None, ge=0, le=_LARGEST)
    operators_sampled: dict[str, int] = Field(default_factory=dict)
    data: _Data = _Data()


def read_completed(path: Path) -> Completed:
    """Read `complete.json`; a training without one has not come to its end.

    Raises:
        InputError: it cannot be read, or a field is no such number.
    """
    if not path.exists():
        return Completed()
    try:
        return Completed.model_validate(read_object(path, "what the supernet's training wrote in the end"))
    except ValidationError as error:
        raise refused(error, str(path), Completed) from None
