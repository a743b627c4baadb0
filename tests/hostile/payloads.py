"""Payloads that would run code wherever they were trusted; each writes the canary."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from typing import Any

from tests.hostile.case import CANARY


class _Opens:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def opens_canary(folder: Path) -> object:
    """An object that opens the canary when it is unpickled."""
    return _Opens(folder / CANARY)


def base64_pickle(folder: Path) -> str:
    """The same as a pickle in base64."""
    return base64.b64encode(pickle.dumps(opens_canary(folder))).decode()


def nni_payloads(folder: Path) -> dict[str, dict[str, Any]]:
    """What NNI's own serializer runs as it reads it, as plain JSON."""
    path = str(folder / CANARY)
    return {
        "NNI's pickled object": {"__nni_obj__": base64_pickle(folder)},
        "NNI's pickled type": {"__nni_type__": f"bytes:{base64_pickle(folder)}"},
        "NNI's pickled symbol": {"__symbol__": f"bytes:{base64_pickle(folder)}", "__kwargs__": {}},
        "json-tricks' instance": {
            "__instance_type__": ["subprocess", "Popen"],
            "attributes": {"args": f"touch {path}"},
        },
    }


def expression(folder: Path) -> str:
    """A Python expression that writes the canary."""
    return f"open({str(folder / CANARY)!r}, 'w')"
