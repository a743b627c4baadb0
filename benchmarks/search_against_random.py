"""Does the search beat chance? The best it finds against as many random networks of the same budget.

Both are scored with the same supernet on the same search images; no test image is touched. Each seed is a
search of its own, by the strategy of the experiment, and a random sample of its own.

    python -m benchmarks.search_against_random runs/EXPERIMENT [--seeds 0 1 2] [--candidates 48] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.random import RandomState

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget, budgets_of
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.data import load_splits
from trionet_nni.nnictl.search.in_process import search_in_process
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import SearchConfig, parse_stored
from trionet_nni.supernet.evaluator import Evaluator
from trionet_nni.training.process import prepare_process

Scores = Callable[[Architecture], float]


def searched(
    config: SearchConfig, table: SpaceTable, cost: CostModel, score: Scores, n: int
) -> list[float]:
    """Scores of the candidates of one search, the larger the better."""
    return [float(model.metric) for model in search_in_process(config, table, cost, score, n)]


def drawn(budget: Budget, score: Scores, n: int, seed: int) -> list[float]:
    """Scores of different random networks within the budget, the larger the better."""
    random, networks = RandomState(seed + 1000), {}
    while len(networks) < n:
        architecture = budget.random(random)
        networks[architecture.hash] = architecture
    return [score(architecture) for architecture in networks.values()]


def compare(
    experiment: Path, seeds: list[int], candidates: int, population: int | None
) -> list[dict[str, Any]]:
    """One row a seed; `population` replaces the experiment's."""
    home = experiment / "trionet"
    config = parse_stored(json.loads((home / "project.json").read_text()), "project.json")
    supernet = Path(json.loads((home / "supernet.json").read_text())["directory"])
    cache = experiment.resolve().parent / "cache"
    splits = load_splits(config.data, cache)
    table = load_table(config.space)
    cost = CostModel(splits.classes, splits.channels, splits.image_size)
    search = config.search
    (budget,) = budgets_of(table, cost, [search.max_flops], min_flops=search.min_flops, band=search.band)

    evaluator = Evaluator(config, supernet, cache)

    def score(architecture: Architecture) -> float:
        return evaluator.evaluate(architecture).score(config.search.metric)

    rows = []
    for seed in seeds:
        size = config.search.population if population is None else population
        # Under the hard limit alone, as the random networks: of several budgets the largest.
        settings = config.search.model_copy(update={"seed": seed, "population": size, "budgets": None})
        found = searched(settings, table, cost, score, candidates)
        chance = drawn(budget, score, candidates, seed)
        rows.append(
            {
                "seed": seed,
                "candidates": candidates,
                "images": len(splits.search),
                "best_found": max(found),
                "best_random": max(chance),
                "median_random": statistics.median(chance),
                "median_found": statistics.median(found),
            }
        )
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--candidates", type=int, default=48)
    parser.add_argument("--population", type=int, help="random candidates at the start of a search")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    prepare_process()
    rows = compare(options.experiment, options.seeds, options.candidates, options.population)
    if options.json:
        print(json.dumps({"rows": rows}))
        return
    print(" ".join(f"{name:>14}" for name in rows[0]))
    for row in rows:
        print(" ".join(f"{value:>14}" for value in row.values()))


if __name__ == "__main__":
    main()
