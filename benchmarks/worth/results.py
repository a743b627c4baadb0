"""The comparison's numbers, from the results that are there; see `page` for how they are shown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.worth.case import SEEDS, Case
from benchmarks.worth.piloted import FoundWithPilots, Piloted
from benchmarks.worth.pilots import BestAlone
from benchmarks.worth.plan import (
    BEFORE,
    LONGER,
    PILOTS,
    SHIPPED,
    longer,
    longer_optuna,
    longer_searched,
    longer_throughout,
    random_network,
    ranked,
    rivals,
    shipped,
)
from benchmarks.worth.predicted import FoundByPrediction, Predicted
from benchmarks.worth.scratch import Training
from benchmarks.worth.search import Finalists, Searched, pipeline
from benchmarks.worth.source import Source
from benchmarks.worth.statistics import Values, difference
from benchmarks.worth.study import FoundByOptuna, Study
from benchmarks.worth.unit import Bench, Unit

_AHEAD = f"searched with {BEFORE} pilots, all {SHIPPED:g} times as long"
Rule = Callable[[int], Source]  # seed of the comparison → network
Row = dict[str, Any]


def equal_cost(case: Case, bench: Bench) -> list[Row]:
    """(a): each network or rule beside the searched network, at F ± 2 %."""
    rules: dict[str, Rule] = {
        "searched": lambda seed: Searched(case, seed),
        "searched, without finalists": lambda seed: Searched(case, seed, finalists=False),
        "random network": lambda seed: random_network(case, seed),
    }
    found = {name: _trained(case, rule, bench) for name, rule in rules.items()}
    for name, source in rivals(case).items():
        found[name] = _trained(case, lambda seed, source=source: source, bench)  # type: ignore[misc]
    found["mean of random networks, F ± 5 %"] = _many(case, bench)
    best = BestAlone(case, case.table.operator_names).operator(bench)
    rows = [_row(case, name, results, found["searched"]) for name, results in found.items() if results]
    return [{**row, "best_alone": row["network"] == f"best {best} alone"} for row in rows]


def _many(case: Case, bench: Bench) -> dict[int, Row]:
    """What one network of the rank fidelity's narrow set comes to on average: chance without its luck."""
    means: dict[int, Row] = {}
    networks = ranked(case)["near"]
    for seed in SEEDS:
        results = [bench.result(Training(case, one, seed)) for one in networks]
        trained = [result for result in results if result is not None]
        if len(trained) == len(networks):
            names = ("accuracy", "loss", "flops", "cpu_seconds", "images")
            mean = {name: statistics.fmean(one[name] for one in trained) for name in names}
            means[seed] = {**mean, "operators": f"{len(trained)} networks"}
    return means


def equal_compute(case: Case, bench: Bench) -> list[Row]:
    """(b): the whole pipeline beside what else its CPU seconds buy."""
    searched = _trained(case, lambda seed: Searched(case, seed), bench)
    optuna = _trained(case, lambda seed: FoundByOptuna(case, seed), bench)
    seeds = case.training_seeds
    longest = _results(bench, {seed: longer(case, seed) for seed in seeds})
    rows = [_row(case, "searched", searched, searched)] if searched else []
    halved = _results(bench, {seed: shipped(case, seed) for seed in seeds})
    quick = f"searched with finalists {SHIPPED:g} times as long"
    rows += [_row(case, quick, halved, searched)] if halved else []
    rows += [_row(case, "Optuna", optuna, searched)] if optuna else []
    ahead = _trained(case, lambda seed: FoundWithPilots(case, seed, BEFORE, SHIPPED), bench)
    rows += [_row(case, _AHEAD, ahead, searched)] if ahead else []
    predicted = _predicted(case, bench)
    rows += [_row(case, name, found, searched) for name, (found, _) in predicted.items()]
    whole = [_pipeline_seconds(case, bench, seed) for seed in case.searches]
    studies = [_seconds(bench, Study(case, seed)) for seed in case.searches]
    quickly = [_pipeline_seconds(case, bench, seed, SHIPPED) for seed in case.searches]
    spent = {"searched": whole, quick: quickly, "Optuna": studies}
    spent[_AHEAD] = [_piloted_seconds(case, bench, seed) for seed in case.searches]
    spent |= {name: seconds for name, (_, seconds) in predicted.items()}
    found = {"searched": searched, quick: halved, "Optuna": optuna, _AHEAD: ahead}
    found |= {name: trained for name, (trained, _) in predicted.items()}
    alone_as_long = _best_alone(case, bench)
    for row in rows:
        if row["network"] in found:
            row |= _ahead_of_alone(case, found[row["network"]], alone_as_long)
    alone, long = f"best of all alone, {LONGER} times as long", f"{LONGER} times as long"
    rows += [_row(case, alone, longest, searched)] if longest else []
    patient = [_pipeline_seconds(case, bench, seed, LONGER) for seed in case.searches]
    for name, unit, seconds in (
        (f"searched, {long}", longer_searched, whole),
        (f"Optuna, {long}", longer_optuna, studies),
        (f"searched with finalists {long}, {long}", longer_throughout, patient),
    ):
        both = _results(bench, {seed: unit(case, seed) for seed in seeds})
        if both:
            spent[name] = seconds
            rows.append({**_row(case, name, both, searched), **_ahead_of_alone(case, both, longest)})
    for row in rows:
        seconds = [one for one in spent.get(row["network"], []) if one]
        row["seconds_before"] = round(statistics.fmean(seconds)) if seconds else 0
    return rows


def _predicted(case: Case, bench: Bench) -> dict[str, tuple[dict[int, Row], list[float]]]:
    """Without a supernet, by number of pilots: what is there, and the CPU seconds before the training."""
    rows = {}
    for pilots in PILOTS:
        found = _trained(case, lambda seed, n=pilots: FoundByPrediction(case, seed, n), bench)  # type: ignore[misc]
        seconds = [_seconds(bench, Predicted(case, seed, pilots)) for seed in case.searches]
        if found:
            rows[f"finalists predicted from {pilots} pilots, no supernet"] = found, seconds
    return rows


def _best_alone(case: Case, bench: Bench) -> dict[int, Row]:
    """The trainings, as long as the recipe says, of the best network of any operator alone."""
    best = BestAlone(case, case.table.operator_names).operator(bench)
    return {} if best is None else _trained(case, lambda seed: BestAlone(case, (best,)), bench)


def _ahead_of_alone(case: Case, found: dict[int, Row], alone: dict[int, Row]) -> Row:
    """How far networks are ahead of the best of all alone, trained as long."""
    rows = {}
    for measure in ("accuracy", "loss"):
        ahead = difference(_values(found, measure), _values(alone, measure), case.search_of)
        rows[f"{measure}_ahead_of_alone"] = None if ahead is None else asdict(ahead)
    return rows


def _piloted_seconds(case: Case, bench: Bench, seed: int) -> float:
    """CPU seconds of supernet, search, pilots and finalists; 0 where one of them is missing."""
    unit = Piloted(case, seed, BEFORE, SHIPPED)
    seconds = [_seconds(bench, one) for one in (unit, unit.search, unit.search.supernet)]
    return sum(seconds) if all(seconds) else 0.0


def _pipeline_seconds(case: Case, bench: Bench, seed: int, times: float = 1.0) -> float:
    """CPU seconds of supernet, search and finalists; 0 where one of them is missing."""
    seconds = [_seconds(bench, unit) for unit in pipeline(case, seed, times)]
    return sum(seconds) if all(seconds) else 0.0


def _seconds(bench: Bench, unit: Unit) -> float:
    found = bench.result(unit)
    return 0.0 if found is None else float(found["cpu_seconds"])


def _trained(case: Case, rule: Rule, bench: Bench) -> dict[int, Row]:
    seeds = case.training_seeds
    return _results(bench, {seed: Training(case, rule(case.search_of(seed)), seed) for seed in seeds})


def _results(bench: Bench, units: dict[int, Training]) -> dict[int, Row]:
    found = {seed: bench.result(unit) for seed, unit in units.items()}
    return {seed: result for seed, result in found.items() if result is not None}


def _row(case: Case, name: str, results: dict[int, Row], searched: dict[int, Row]) -> Row:
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
        values = _values(results, measure)
        row[measure] = statistics.fmean(values.values())
        row[f"{measure}_sd"] = statistics.stdev(values.values()) if len(values) > 1 else None
        ahead = None
        if results is not searched:
            ahead = difference(_values(searched, measure), values, case.search_of)
        row[f"{measure}_difference"] = None if ahead is None else asdict(ahead)
    return row


def _values(results: dict[int, Row], measure: str) -> Values:
    return {seed: float(result[measure]) for seed, result in results.items()}


def pipelines(case: Case, bench: Bench) -> Iterator[Row]:
    """What each seed's pipeline found, for the eye."""
    for seed in case.searches:
        found = bench.result(Finalists(case, seed))
        if found is not None:
            yield {"seed": seed, "order": found["order"]}
