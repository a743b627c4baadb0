"""`trionet search FILE`, which keeps what the portal shows at the end, in place of an export.

    python -m tests.chaos.terminal FILE PORTAL.json

The toy objective has no weights to export; and after the export the portal is gone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from trionet_nni.commands.accompany import search
from trionet_nni.export import best as exporting
from trionet_nni.files.atomic import write_json
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal import launch
from trionet_nni.report import pareto


def main(file: str, portal: str) -> int:
    def keep(root: Path, top: int, out: Path) -> list[object]:
        manager = Manager(f"http://127.0.0.1:{launch.listed()[root.name]['port']}")
        write_json(portal, {"root": str(root), "jobs": manager.jobs()})
        return []

    exporting.export = keep  # type: ignore[assignment]
    exporting.print_exported = lambda rows, out: None
    pareto.print_common_front = lambda experiment, rows: None
    return search(Path(file), out=Path(portal).with_name("out"))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
