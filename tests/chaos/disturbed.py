"""A small search, something that happens to it meanwhile, and its books: nothing may have failed by it."""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.chaos.experiment import Experiment
from tests.chaos.ledger import ledger
from tests.chaos.storm import Storm
from tests.chaos.together import say, say_conditions

Disturbance = Callable[[Experiment, Storm], None]


def search_while(
    disturb: Disturbance,
    options: argparse.Namespace,
    name: str,
    times: int,
    environment: Mapping[str, str] | None = None,
) -> tuple[Experiment, bool]:
    """Run it, and say what became of it.

    Args:
        disturb: runs beside the search, and is forgotten when that is over.
        options: with candidates, seed and folder.
        name: of the temporary folder.
        times: that something happens, to be said.
        environment: of all its processes, beside what they have anyway.

    Returns:
        The experiment, which is over, and whether nothing failed or was lost, and it was started once.
    """
    folder = options.folder or Path(tempfile.mkdtemp(prefix=f"{name}-"))
    say_conditions(times, options.seed, folder)
    experiment = Experiment(folder / "search", options.candidates, 2, 1.0, options.seed, (2, 1))
    experiment.environment |= environment or {}
    storm = Storm(experiment, options.candidates, 0, options.seed, say)
    threading.Thread(target=disturb, args=(experiment, storm), daemon=True).start()
    try:
        seconds = storm.run()
        books = ledger(experiment, options.candidates, storm.seen)
    finally:
        experiment.close()
    for row, count in books.rows():
        say(f"  {row:<12} {count:5}")
    say(f"  {'duration':<12} {seconds:5.0f} s")
    good = books.good and books.failed == 0 and experiment.starts == 1
    say("nothing failed, nothing lost" if good else f"FAILED; look into {folder}")
    return experiment, good


def options_of(
    name: str, description: str | None, add: Callable[[argparse.ArgumentParser], None]
) -> argparse.Namespace:
    """The command's: its own, and those of the search."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    add(parser)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="a new one (default: below the temporary folder)")
    return parser.parse_args()
