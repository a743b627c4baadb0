"""A row of the comparison's tables: the trainings of one network or rule, beside the searched network's."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.worth.case import Case
from benchmarks.worth.scratch import Training
from benchmarks.worth.source import Source
from benchmarks.worth.statistics import Values, difference
from benchmarks.worth.unit import Bench

Rule = Callable[[int], Source]  # seed of the comparison → network
Row = dict[str, Any]


def trained(case: Case, rule: Rule, bench: Bench) -> dict[int, Row]:
    seeds = case.training_seeds
    return results_of(bench, {seed: Training(case, rule(case.search_of(seed)), seed) for seed in seeds})


def results_of(bench: Bench, units: dict[int, Training]) -> dict[int, Row]:
    found = {seed: bench.result(unit) for seed, unit in units.items()}
    return {seed: result for seed, result in found.items() if result is not None}


def row_of(case: Case, name: str, results: dict[int, Row], searched: dict[int, Row]) -> Row:
    operators = sorted({result["operators"] for result in results.values()})
    row: Row = {
        "network": name,
        "operators": operators,
        "flops": statistics.fmean(result["flops"] for result in results.values()),
        "trainings": len(results),
        "images": next(iter(results.values()))["images"],
        "seconds": round(statistics.fmean(result["cpu_seconds"] for result in results.values()), 1),
    }
    for measure in ("accuracy", "loss"):
        values = values_of(results, measure)
        row[measure] = statistics.fmean(values.values())
        row[f"{measure}_sd"] = statistics.stdev(values.values()) if len(values) > 1 else None
        ahead = None
        if results is not searched:
            ahead = difference(values_of(searched, measure), values, case.search_of)
        row[f"{measure}_difference"] = None if ahead is None else asdict(ahead)
    return row


def values_of(results: dict[int, Row], measure: str) -> Values:
    return {seed: float(result[measure]) for seed, result in results.items()}
