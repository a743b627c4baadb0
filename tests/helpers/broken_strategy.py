"""A search strategy that is found, and fails when the search begins."""

from __future__ import annotations

from typing import Any

from trionet_nni.errors import InputError


def build(*_: Any, **__: Any) -> Any:
    raise InputError("broken_strategy: found nothing to search with, allowed: anything")
