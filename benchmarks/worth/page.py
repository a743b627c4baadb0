"""The numbers as a section of docs/results.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.worth.case import CASES, ROOT, Case
from benchmarks.worth.compute import equal_compute
from benchmarks.worth.drawn import PILOTS
from benchmarks.worth.fidelity import rank_fidelity, where_supernets_err
from benchmarks.worth.plan import LONGER, plan
from benchmarks.worth.results import equal_cost, pipelines
from benchmarks.worth.unit import Bench
from trionet_nni.files.atomic import write_text

RESULTS = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- benchmarks.worth -->\n", "<!-- end of benchmarks.worth -->\n"
Row = Mapping[str, Any]


def numbers(bench: Bench) -> dict[str, Any]:
    """Everything, as --json prints it."""
    units = plan()
    return {
        name: {
            "title": case.title,
            "done": sum(bench.result(unit) is not None for unit in units if unit.case == case),
            "units": sum(unit.case == case for unit in units),
            "equal_cost": equal_cost(case, bench),
            "equal_compute": equal_compute(case, bench),
            "rank_fidelity": rank_fidelity(case, bench),
            "errors": where_supernets_err(case, bench),
            "rank_fidelity_long": rank_fidelity(case, bench, LONGER),
            "errors_long": where_supernets_err(case, bench, LONGER),
            "pipelines": list(pipelines(case, bench)),
        }
        for name, case in CASES.items()
    }


def section(found: Mapping[str, Any]) -> str:
    """In Markdown."""
    parts = ["## What the search is worth", "", *_HEAD]
    for name, case in CASES.items():
        parts += ["", f"### {case.title}", "", *_case(case, found[name])]
    return "\n".join(parts) + "\n"


def write(text: str, path: Path = RESULTS) -> None:
    """Put the section between its marks; at the end of the page where there are none yet."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    gap = "" if rest else "\n"
    write_text(path, f"{before}{gap}{BEGIN}{text}{END}{after}")


_HEAD = """\
Written by `python -m benchmarks.worth page` from the results in [worth/](worth), one small record a unit.
`python -m benchmarks.worth units` lists what is done and missing; `pictures` unpacks CIFAR-10, and `run`
goes on, on any machine, with what is missing. Every network of (a) costs F ± 2 % unless its row says
otherwise. Every training from scratch of a data set has the same images, recipe and length and is
measured once, on the test images, which choose nothing. ± is the standard deviation over trainings.
Differences are *searched minus this row*, paired by seed, with 90 % intervals by Student's t over the
seeds (their number in brackets; with three, ± 1.7 standard deviations of a difference, with six ± 0.8).
CPU seconds are of one core that other work shared, which changes them by some tens of per cent, with what
interruptions repeated.
""".splitlines()


def _case(case: Case, found: Row) -> list[str]:
    parts = [
        f"Space `{case.space}`, F = {case.flops / 1e6:.3g} MFLOPs; {case.training.steps:,} steps from "
        "scratch,",
        f"{case.supernet.steps:,} of a supernet, {case.candidates} candidates; {found['done']} of "
        f"{found['units']} units done.",
    ]
    if found["equal_cost"]:
        parts += ["", "(a) Equal cost.", "", *_cost_table(found["equal_cost"])]
        parts += ["", f"<sup>1</sup> the least validation loss of all {PILOTS * 3} stand-alone pilots."]
    if found["equal_compute"]:
        parts += ["", "(b) Equal compute.", "", *_compute_table(found["equal_compute"])]
    if found["rank_fidelity"]:
        parts += ["", "(c) Rank fidelity.", "", *_rank_table(found["rank_fidelity"]), "", *_TAU]
        parts += _rank_lines(found["rank_fidelity"], found["errors"])
    if found["rank_fidelity_long"]:
        title = f"(c) again, trainings from scratch {LONGER} times as long."
        parts += ["", title, "", *_rank_table(found["rank_fidelity_long"])]
        parts += _rank_lines(found["rank_fidelity_long"], found["errors_long"])
    return parts


def _cost_table(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| network | MFLOPs | test accuracy, % | searched − it, points | test loss | searched − it | n |",
        "|---|---|---|---|---|---|---|",
    ]
    return lines + [
        f"| {row['network']}{'<sup>1</sup>' if row['best_alone'] else ''} | {row['flops'] / 1e6:.2f} "
        f"| {_spread(row, 'accuracy', 100, 2)} | {_difference(row, 'accuracy', 100, 2)} "
        f"| {_spread(row, 'loss', 1, 3)} | {_difference(row, 'loss', 1, 3)} | {row['trainings']} |"
        for row in rows
    ]


def _compute_table(rows: Sequence[Row]) -> list[str]:
    heads = (
        "| CPU s before the training | CPU s of the training | test accuracy, % | searched − it, points "
        "| test loss | it − best of all alone as long, points | loss | n |"
    )
    return [f"| {heads}", "|---" * 9 + "|"] + [
        f"| {row['network']} | {row['seconds_before']:,} | {row['seconds']:,.0f} "
        f"| {_spread(row, 'accuracy', 100, 2)} | {_difference(row, 'accuracy', 100, 2)} "
        f"| {_spread(row, 'loss', 1, 3)} | {_against_alone(row)} | {row['trainings']} |"
        for row in rows
    ]


def _against_alone(row: Row) -> str:
    """Networks beside the best of all alone, trained as long: two cells."""
    found = {f"{name}_difference": row.get(f"{name}_ahead_of_alone") for name in ("accuracy", "loss")}
    return f"{_difference(found, 'accuracy', 100, 2)} | {_difference(found, 'loss', 1, 3)}"


def _rank_table(sets: Mapping[str, Row]) -> list[str]:
    heads = "networks | by | measure | τ (95 %) | reliable: score, scratch | τ allowed | τ without noise"
    lines = [f"| {heads} |", "|---|---|---|---|---|---|---|"]
    for name, one in sets.items():
        kind = _SETS[name]
        lines += [
            _rank_row(f"{one['networks']}, {kind}, n = {one['trainings']}", row) for row in one["rows"]
        ]
    return lines


def _rank_lines(sets: Mapping[str, Row], errors: Row | None) -> list[str]:
    """What else the trainings say."""
    lines = []
    for name, one in sets.items():
        lines += _slope_lines(one.get("slopes", {})) + _best_lines(_SETS[name], one)
    return [*lines, "", *_error_lines(errors)] if errors else lines


_SETS = {"near": "F ± 5 %", "range": "whole range"}

_TAU = """\
τ is Kendall's τ-b between a ranking and training from scratch (mean of n trainings), with a 95 %
bootstrap interval over networks (9,999). *Reliable*: the share of the variance between networks that is
not noise (Cronbach's α over 20 blocks of images; from scratch over trainings as well). *Allowed*: 2/π ·
arcsin √(product of both), the τ of two such measurements of the same thing. *Without noise*: τ with its
correlation sin(π τ/2) divided by √(product), at most 1.
""".splitlines()


def _rank_row(networks: str, row: Row) -> str:
    sure = row["reliability_from_scratch"]
    reliable = f"{row['reliability']:.2f}, {'one training' if sure is None else f'{sure:.2f}'}"
    return (
        f"| {networks} | {row['ranked_by']} | {row['measure']} "
        f"| {row['tau']:.2f} ({row['low']:.2f} … {row['high']:.2f}) | {reliable} "
        f"| {_number(row['allowed'])} | {_number(row['without_noise'])} |"
    )


def _slope_lines(slopes: Mapping[str, Row]) -> list[str]:
    if not slopes:
        return []
    told = [
        f"{name} {one['value']:+.2f} ({one['low']:+.2f} … {one['high']:+.2f})"
        for name, one in slopes.items()
    ]
    return ["", f"Points of accuracy for each doubling of FLOPs over the range: {', '.join(told)}."]


def _best_lines(kind: str, one: Row) -> list[str]:
    accuracy, loss = one["best_of_all"]["accuracy"], one["best_of_all"]["loss"]
    share = f"{100 * accuracy['mean']:.2f} ± {100 * accuracy['sd']:.2f} %"
    means = f"{share}, loss {loss['mean']:.3f} ± {loss['sd']:.3f} (n = {one['trainings']})"
    lines = ["", f"The {one['networks']} networks, {kind}, have {means}."]
    if accuracy["chosen"] is None:
        return lines
    found = f"{100 * accuracy['chosen']:.2f} %, the best by loss {loss['chosen']:.3f}"
    return [*lines, f"The best of them on the test images has in another training {found}."]


def _error_lines(errors: Row) -> list[str]:
    low, high = errors["between supernets"]
    told = [f"{name} {one['rho']:+.2f} (p = {one['p']:.3f})" for name, one in errors["traits"].items()]
    taus = [
        f"{kind} {errors['regression'][name]['tau']:.2f} "
        f"({errors['regression'][name]['low']:.2f} … {errors['regression'][name]['high']:.2f})"
        for name, kind in _SETS.items()
    ]
    return [
        "Errors (a supernet's loss − that from scratch, both sets together): between two supernets they",
        f"are correlated, r = {low:.2f} to {high:.2f}; Spearman's ρ of their mean with traits of networks:",
        f"{', '.join(told)}.",
        "A ridge regression on such traits, each network's loss predicted from the others' losses from",
        f"scratch, has τ by loss: {', '.join(taus)}.",
    ]


def _spread(row: Row, measure: str, scale: float, digits: int) -> str:
    deviation = row[f"{measure}_sd"]
    mean = f"{scale * row[measure]:.{digits}f}"
    return mean if deviation is None else f"{mean} ± {scale * deviation:.{digits}f}"


def _difference(row: Row, measure: str, scale: float, digits: int) -> str:
    found = row[f"{measure}_difference"]
    if found is None:
        return ""
    mean = f"{scale * found['mean']:+.{digits}f}"
    if found["low"] is None:
        return f"{mean} (one seed)"
    interval = f"{scale * found['low']:+.{digits}f} … {scale * found['high']:+.{digits}f}"
    return f"{mean} ({interval}) [{found['seeds']}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
