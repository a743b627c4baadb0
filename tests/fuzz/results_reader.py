"""An experiment's folder, as `trionet report`, `trionet pareto` and a resumed search read it."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from tests.fuzz.target import SEPARATOR, Target, parts
from tests.hostile.bench import ARCHITECTURE, finished
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.journal import Journal, journal_of, read_journaled
from trionet_nni.report.page import sections
from trionet_nni.report.page.findings import findings
from trionet_nni.report.pareto import pareto
from trionet_nni.supernet.folder import COMPLETE, CURVE

_HERE = b"SUPERNET"  # in an input: the supernet's folder
_COUNT = 8  # files of an input


def _read(data: bytes, folder: Path) -> None:
    """What is accepted can be shown. Figures are left out: matplotlib draws one in a second."""
    files = ExperimentFolder(folder / "abc")
    _write(files, folder / "supernet", parts(data, _COUNT))
    with suppress(OSError, ValueError):  # the search that goes on makes one line of them
        assert isinstance(read_journaled(files.strategy), dict)
    found = findings(files.root)
    assert len(pareto(files.root)) == len(found.evaluations) == 1
    with patch.object(sections, "figure", lambda *_, **__: ""):
        assert sections.sections(found)
    for point in found.curve:  # what the figure takes
        assert all(isinstance(100 * value, (int, float)) for value in (point["step"], *point.values()))


def _write(files: ExperimentFolder, supernet: Path, given: list[bytes]) -> None:
    places = (
        files.project,
        files.supernet,
        files.cost,
        files.evaluations / f"{ARCHITECTURE.hash}.json",
        supernet / COMPLETE,
        supernet / CURVE,
        files.strategy,
        journal_of(files.strategy),
    )
    for path, content in zip(places, given, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.replace(_HERE, str(supernet).encode()))


def _seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        files = ExperimentFolder(finished(Path(folder)))
        journal = Journal(files.strategy)
        for number in range(3):
            journal.save(
                {"strategy": {"seen": ["a"] * number}, "engine": {"running": {}}, "raised": number}
            )
        journal.close()
        result = files.evaluations / f"{ARCHITECTURE.hash}.json"
        cost, evaluation, state, lines = (
            path.read_bytes() for path in (files.cost, result, files.strategy, journal_of(files.strategy))
        )
    project = json.dumps({"space": "spaces.tiny", "search": {"max_flops": 1e9}}).encode()
    supernet = json.dumps({"directory": _HERE.decode(), "hash": "abc"}).encode()
    return [SEPARATOR.join([project, supernet, cost, evaluation, _complete(), _curve(), state, lines])]


def _complete() -> bytes:
    """What a supernet's training writes in the end."""
    splits = {kind: {"images": 100} for kind in ("train", "search", "test")}
    counts = {"conv": 10, "local": 11, "axial": 9}
    told = {
        "hash": "abc",
        "steps": 10,
        "seconds": 2.5,
        "operators_sampled": counts,
        "data": {"splits": splits},
    }
    return json.dumps(told).encode()


def _curve() -> bytes:
    points = ({"step": step, "default": 0.5, "conv": 0.4, "random": 0.3} for step in (5, 10))
    return b"\n".join(json.dumps(point).encode() for point in points) + b"\n"


TARGET = Target("results_reader", _read, _seeds)
