"""`python -m benchmarks.manager.look`: what the terminal computes each second, beside thousands of results.

No experiment runs: results and NNI's list of trials are made up, and nothing waits for a manager.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from numpy.random import RandomState

from benchmarks.manager.objective import value
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal.watch import Watch
from trionet_nni.settings.plugins import load_table
from trionet_nni.supernet.results import Evaluation

_LIMIT = 2e7  # FLOPs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.manager.look", description=__doc__)
    parser.add_argument("--results", type=int, nargs="+", default=[500, 5000])
    for count in parser.parse_args().results:
        with tempfile.TemporaryDirectory() as folder:
            watch = Watch(_manager(jobs := made_up(Path(folder), count)), ExperimentFolder(Path(folder)), 1)
            first, later = _seconds(watch), min(_seconds(watch) for _ in range(3))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count} results, {len(jobs)} trials: the first look {first:.3f} s of the processor, "
            f"a later one {later:.4f} s; {memory:.0f} MB at the peak"
        )
    return 0


def made_up(root: Path, count: int) -> list[dict[str, Any]]:
    """Stored results of different networks, and NNI's answer to a question for their trials."""
    files, random, cost = ExperimentFolder(root), RandomState(0), CostModel(10, 1, 28)
    budget = Budget.of(load_table("spaces.small"), cost, 0.0, _LIMIT)
    seen: set[str] = set()
    jobs: list[dict[str, Any]] = []
    files.evaluations.mkdir(parents=True)
    files.project.write_text(json.dumps({"space": "spaces.small", "search": {"max_flops": _LIMIT}}))
    while len(seen) < count:
        network = budget.random(random)
        if network.hash in seen:
            continue
        seen.add(network.hash)
        price, loss = cost(network), value(network)
        result = Evaluation(network, loss, 1, price.flops, price.params, 0.0, loss)
        (files.evaluations / f"{network.hash}.json").write_text(json.dumps(result.to_dict()))
        record = {"parameter_id": len(jobs), "parameters": network.to_sample()}
        metric = {"data": json.dumps(json.dumps({"default": -loss}))}
        jobs.append({
            "trialJobId": f"t{len(jobs)}", "status": "SUCCEEDED", "startTime": 1,
            "finalMetricData": [metric], "hyperParameters": [json.dumps(record)],
        })  # fmt: skip
    return jobs


def _manager(jobs: list[dict[str, Any]]) -> Manager:
    text = json.dumps(jobs)
    answers = {"/check-status": {"status": "RUNNING"}, "/metric-data-latest": []}
    return cast(
        Manager,
        SimpleNamespace(
            get=lambda path: answers[path],
            jobs=lambda: json.loads(text),
            profile=lambda: {"params": {"maxTrialNumber": len(jobs) + 1}},
        ),
    )


def _seconds(watch: Watch) -> float:
    began = time.process_time()
    watch.snapshot()
    return time.process_time() - began


if __name__ == "__main__":
    raise SystemExit(main())
