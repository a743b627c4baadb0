"""Results: one file a unit while it is computed, one file a case to commit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trionet_nni.files.atomic import write_json, write_text

Result = dict[str, Any]


class Records:
    """Every result that is known, by identity.

    Args:
        folder: of single results, written as they come: `<identity>.json`.
        kept: of the committed ones, `<case>.json`, each {identity: result}.
    """

    def __init__(self, folder: Path, kept: Path) -> None:
        self.folder, self.kept = folder, kept
        self._known: dict[str, Result] = {}
        for file in sorted(kept.glob("*.json")):
            self._known |= json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.glob("*.json")):
            self._known[file.stem] = json.loads(file.read_text(encoding="utf-8"))

    def get(self, identity: str) -> Result | None:
        """A result, or None."""
        return self._known.get(identity)

    def add(self, identity: str, result: Result) -> None:
        """Store a result; it is on disk as a whole when this returns."""
        write_json(self.folder / f"{identity}.json", result)
        self._known[identity] = result

    def keep(self, case: str, identities: Iterable[str]) -> Path:
        """Write the results of a case into the file to commit, in this order; returns it."""
        found = {name: self._known[name] for name in identities if name in self._known}
        path = self.kept / f"{case}.json"
        lines = [f"{json.dumps(name)}: {json.dumps(result)}" for name, result in found.items()]
        write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")  # a line a result: it is read as a diff
        return path
