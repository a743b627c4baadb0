"""Equal cost, and what each search found, from the results that are there; `page` shows them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.worth.case import SEEDS, Case
from benchmarks.worth.pilots import BestAlone
from benchmarks.worth.plan import random_network, ranked, rivals
from benchmarks.worth.rows import Row, Rule, row_of, trained
from benchmarks.worth.scratch import Training
from benchmarks.worth.search import Finalists, Searched
from benchmarks.worth.unit import Bench


def equal_cost(case: Case, bench: Bench) -> list[Row]:
    """(a): each network or rule beside the searched network, at F ± 2 %."""
    rules: dict[str, Rule] = {
        "searched": lambda seed: Searched(case, seed),
        "searched, without finalists": lambda seed: Searched(case, seed, finalists=False),
        "random network": lambda seed: random_network(case, seed),
    }
    found = {name: trained(case, rule, bench) for name, rule in rules.items()}
    for name, source in rivals(case).items():
        found[name] = trained(case, lambda seed, source=source: source, bench)  # type: ignore[misc]
    found["mean of random networks, F ± 5 %"] = _many(case, bench)
    best = BestAlone(case, case.table.operator_names).operator(bench)
    rows = [row_of(case, name, results, found["searched"]) for name, results in found.items() if results]
    return [{**row, "best_alone": row["network"] == f"best {best} alone"} for row in rows]


def _many(case: Case, bench: Bench) -> dict[int, Row]:
    """What one network of the rank fidelity's narrow set comes to on average: chance without its luck."""
    means: dict[int, Row] = {}
    networks = ranked(case)["near"]
    for seed in SEEDS:
        results = [bench.result(Training(case, one, seed)) for one in networks]
        there = [result for result in results if result is not None]
        if len(there) == len(networks):
            names = ("accuracy", "loss", "flops", "cpu_seconds", "images")
            mean = {name: statistics.fmean(one[name] for one in there) for name in names}
            means[seed] = {**mean, "operators": f"{len(there)} networks"}
    return means


def pipelines(case: Case, bench: Bench) -> Iterator[Row]:
    """What each seed's pipeline found, for the eye."""
    for seed in case.searches:
        found = bench.result(Finalists(case, seed))
        if found is not None:
            yield {"seed": seed, "order": found["order"]}
