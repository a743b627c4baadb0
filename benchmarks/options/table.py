"""The table of the options, in Markdown: means over the seeds of the supernet ± standard deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from scipy.stats import kendalltau

from benchmarks.options.adapted import Adapted
from benchmarks.options.plan import WAYS, Way, judged, truths
from benchmarks.worth.case import SEEDS
from benchmarks.worth.unit import Bench

_LOSSES = ("largest", "range", "near", "smallest")
_RANKED = {"alone": "each operator alone", "near": "F ± 5 %", "range": "whole range"}
_FEWEST = 5  # networks that a τ is told of


def table(bench: Bench) -> str:
    """Loss on the search images, τ of its ranking against training from scratch, and the price."""
    truth = {name: _truth(name, bench) for name in _RANKED}
    heads = ["supernet", *(f"loss, {name}" for name in _LOSSES)]
    heads += [f"τ, {title}, n = {len(truth[name])}" for name, title in _RANKED.items()]
    heads += ["CPU s of the supernet", "CPU s a candidate more"]
    rows = ["|" + "---|" * len(heads), *(_line(_row(way, truth, bench)) for way in WAYS)]
    return "\n".join([_line(heads), *rows]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(way: Way, truth: Mapping[str, Mapping[str, float]], bench: Bench) -> list[str]:
    losses = {name: _losses(way, name, bench) for name in judged()}
    means = [_spread([fmean(one.values()) for one in losses[name]], 3) for name in _LOSSES]
    taus = [_spread(_taus(losses[name], truth[name]), 2) for name in _RANKED]
    supernets = [bench.result(way.scoring((), seed).supernet) for seed in SEEDS]
    seconds = [float(result["cpu_seconds"]) for result in supernets if result is not None]
    return [way.name, *means, *taus, _spread(seconds, 0), _more(way, bench)]


def _losses(way: Way, name: str, bench: Bench) -> list[dict[str, float]]:
    """By network, on the search images; one dictionary a seed of the supernet, where it was scored."""
    found = [bench.result(way.scoring(judged()[name], seed)) for seed in SEEDS]
    scores = [result["scores"] for result in found if result is not None]
    return [{key: score["loss"] for key, score in one.items()} for one in scores]


def _truth(name: str, bench: Bench) -> dict[str, float]:
    """Loss by network: the mean over the trainings from scratch that are there."""
    results = {key: [bench.result(one) for one in trainings] for key, trainings in truths(name).items()}
    known = {key: [one["loss"] for one in found if one is not None] for key, found in results.items()}
    return {key: fmean(losses) for key, losses in known.items() if losses}


def _taus(losses: Sequence[Mapping[str, float]], truth: Mapping[str, float]) -> list[float]:
    """By seed of the supernet."""
    if len(truth) < _FEWEST:
        return []
    return [float(kendalltau([one[key] for key in truth], list(truth.values()))[0]) for one in losses]


def _more(way: Way, bench: Bench) -> str:
    """What adapting costs each network."""
    if not isinstance(way.scoring((), 0), Adapted):
        return ""
    found = [bench.result(way.scoring(one, seed)) for one in judged().values() for seed in SEEDS]
    done = [(result["seconds_adapting"], len(result["scores"])) for result in found if result is not None]
    return f"{sum(row[0] for row in done) / sum(row[1] for row in done):.1f}" if done else ""


def _spread(values: Sequence[float], digits: int) -> str:
    """Mean ± standard deviation over seeds, whose number is in brackets."""
    if not values:
        return ""
    mean = f"{fmean(values):.{digits}f}"
    return f"{mean} ± {stdev(values):.{digits}f} [{len(values)}]" if len(values) > 1 else f"{mean} [1]"
