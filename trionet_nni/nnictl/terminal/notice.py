"""One line in the terminal that started an experiment, when the experiment is over.

`python -m trionet_nni.nnictl.terminal.notice FOLDER PORT`, with the terminal as standard error. It ends
with the terminal, and with the experiment's manager, whichever goes first.
"""

from __future__ import annotations

import select
import sys
import time
from pathlib import Path

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal.start import failure

BETWEEN = 2.0  # seconds
_SILENCES = 5  # unanswered questions in a row, after which the manager counts as gone


def main(root: Path, port: int) -> None:
    """Wait and say it."""
    folder, manager, silent = ExperimentFolder(root), Manager(f"http://127.0.0.1:{port}"), 0
    while silent < _SILENCES and _terminal_is_there():
        reason = failure(folder, manager)
        if reason is not None:
            _say(f"experiment {root.name} has ended: {reason}")
            return
        try:
            status = manager.get("/check-status")
            silent = 0
        except (OSError, ValueError):
            silent += 1
            status = None
        if isinstance(status, dict) and status.get("status") == "DONE":
            _say(f"experiment {root.name} is done; next: trionet export {root.name} -o out")
            return
        time.sleep(BETWEEN)


def _terminal_is_there() -> bool:
    """Whether whoever would read it still can: a closed terminal hangs up."""
    watched = select.poll()
    watched.register(sys.stderr.fileno(), 0)
    return not watched.poll(0)


def _say(line: str) -> None:
    """On a line of its own: the prompt stands where it was."""
    try:
        print(f"\nnnictl: {line}", file=sys.stderr, flush=True)
    except OSError:  # it hung up in between
        return


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
