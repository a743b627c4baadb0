"""What a step of the supernet costs: against frozen networks, NNI's own supernet, and its own FLOPs."""

from __future__ import annotations

import argparse
import statistics
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.native_step import NativeStep, published_attention
from benchmarks.peers.all_operators import AllCandidatesBlock, AllOperators
from benchmarks.ratio import Row, arguments, interleaved, prepare, show
from benchmarks.step_case import CLASSES, TABLE, StepCase
from benchmarks.waiting import waiting_shares
from strategies.sandwich import Step
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.recipe import optimizer

_LINE_ROUNDS = 5
NAMES = ("smallest", "largest", "middle")


def rows(case: StepCase, options: argparse.Namespace, found: dict[str, Any]) -> Iterator[Row]:
    """Every row; `found` receives the points behind the cost line."""
    step = case.step()
    yield from against_frozen(case, step, options.rounds)
    yield from whole_step(case, step, options.rounds)
    yield from optimizer_step(case, step, options.rounds)
    yield from against_native(case, step, options.rounds)
    yield from one_path(case, options.rounds)
    yield from cost_line(case, options.architectures, found)
    yield waiting(case, step, options)


def against_frozen(case: StepCase, step: Step, rounds: int) -> Iterator[Row]:
    """A pass in the supernet ÷ the same network frozen."""
    for name, target, network in zip(NAMES, (1.12, 1.07, 1.07), step.subnetworks, strict=False):
        sides = {"in": case.subnetwork_pass(network), "frozen": case.static_pass(case.frozen(network))}
        timings = interleaved(sides, rounds)
        yield timings.row(f"{name} sub-network in the supernet ÷ frozen", "in", "frozen", target)


def whole_step(case: StepCase, step: Step, rounds: int) -> Iterator[Row]:
    """A whole training step ÷ the passes of four frozen networks and fused SGD on the largest."""
    networks = [case.frozen(network) for network in step.subnetworks]
    recipe = RecipeConfig(epochs=540)
    sgd = optimizer(recipe, networks[step.decayed].parameters())
    passes = [case.static_pass(network) for network in networks]

    def frozen() -> None:
        for run in passes:
            run()
        sgd.step()

    timings = interleaved({"in": case.whole_step(step), "frozen": frozen}, max(3, rounds // 2), warmup=1)
    note = "four passes, decay, optimizer; peer: four frozen networks, fused SGD on the largest"
    yield timings.row("whole training step ÷ frozen passes + SGD", "in", "frozen", note=note)


def optimizer_step(case: StepCase, step: Step, rounds: int) -> Iterator[Row]:
    """The optimizer's step, and decay, each ÷ fused SGD with decay on the frozen largest network."""
    network = case.frozen(step.subnetworks[step.decayed])
    case.static_pass(network)()
    case.whole_step(step)()
    sgd = optimizer(RecipeConfig(epochs=540), network.parameters())

    largest = step.subnetworks[step.decayed]
    sides = {
        "decay": lambda: case.module.usage.add_decay(largest, 8e-5),
        "move": case.move,
        "frozen": sgd.step,
    }
    timings = interleaved(sides, 3 * rounds)
    yield timings.row("optimizer step ÷ fused SGD on the frozen largest", "move", "frozen")
    yield timings.row("decay of the largest ÷ fused SGD on the frozen largest", "decay", "frozen")


def against_native(case: StepCase, step: Step, rounds: int) -> Iterator[Row]:
    """NNI's RandomOneShot on its own mixed operations ÷ this supernet, same sampled networks.

    Both sides choose the network, run a pass and move the weights with fused SGD, momentum and decay. NNI
    has no local attention: its supernet is timed with this project's and with the published formulation.
    """
    own_attention, published = NativeStep(case), NativeStep(case, published_attention)
    decay = RecipeConfig(epochs=540).weight_decay
    for name, network in zip(NAMES, step.subnetworks, strict=False):
        forward_backward = case.subnetwork_pass(network)

        def own(network: Architecture = network, run: Callable[[], None] = forward_backward) -> None:
            run()
            case.module.usage.add_decay(network, decay)
            case.move()

        sides = {"own": own, "same": own_attention.of(network), "published": published.of(network)}
        timings = interleaved(sides, max(3, rounds // 2), warmup=1)
        for side, note in (
            ("published", "NNI's with local attention as published (unfolded windows)"),
            ("same", "the same attention on both sides: what is left is slicing, choice and optimizer"),
        ):
            case_name = f"NNI's native mixed operations ÷ this supernet, {name}, {side} attention"
            yield timings.row(case_name, side, "own", 1.5, bound="at least", note=note)


def one_path(case: StepCase, rounds: int) -> Iterator[Row]:
    """A pass of one sampled path ÷ a pass that runs everything a block can choose from.

    Three paths are timed together so that every block runs every operator once, and a third of their time
    counts.
    """
    drawn = {name: case_only(case, name) for name in TABLE.operator_names}
    depths = [len(stage) for stage in drawn["conv"].stages]
    stages = [
        [[network.stages[s][i] for network in drawn.values()] for i in range(depth)]
        for s, depth in enumerate(depths)
    ]
    peers = {
        "candidates": AllOperators(TABLE.skeleton, stages, CLASSES, case.size, AllCandidatesBlock),
        "operators": AllOperators(TABLE.skeleton, stages, CLASSES, case.size),
    }
    paths = [
        Architecture(
            TABLE.space,
            tuple(
                tuple(blocks[(shift + s + i) % 3] for i, blocks in enumerate(stage))
                for s, stage in enumerate(stages)
            ),
        )
        for shift in range(3)
    ]
    passes = [case.subnetwork_pass(path) for path in paths]

    def three() -> None:
        for run in passes:
            run()

    sides = {"three": three, **{name: case.static_pass(peer) for name, peer in peers.items()}}
    timings = interleaved(sides, max(3, rounds // 2), warmup=1)
    flops = {name: _forward_flops(case, peer) for name, peer in peers.items()}
    own = sum(_forward_flops(case, case.frozen(path)) for path in paths)
    for name, what in (
        ("candidates", "all three candidates of every block"),
        ("operators", "all three operators between shared 1×1 convolutions"),
    ):
        row = timings.row("", "three", name)
        share = own / flops[name] / 3
        yield Row(
            f"one sampled path ÷ {what}",
            *(value / 3 for value in (row.ratio, row.low, row.high)),
            row.rounds,
            0.45,
            note=f"mean of three paths that cover every candidate once; {share:.2f} of the FLOPs",
        )


def _forward_flops(case: StepCase, network: nn.Module) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(case.images[:1])
    return counter.get_total_flops()


def case_only(case: StepCase, operator: str) -> Architecture:
    """A network of one operator with random options and the deepest stages."""
    candidates = TABLE.choices(operator).blocks
    return Architecture(
        TABLE.space,
        tuple(
            tuple(candidates[case.random.integers(len(candidates))] for _ in range(max(depths)))
            for depths in TABLE.depths
        ),
    )


def cost_line(case: StepCase, count: int, found: dict[str, Any]) -> Iterator[Row]:
    """Seconds of a pass against FLOPs over drawn networks: how far they lie from a line."""
    networks = [case.drawn() for _ in range(count)]
    sides = {str(number): case.subnetwork_pass(network) for number, network in enumerate(networks)}
    timings = interleaved(sides, rounds=_LINE_ROUNDS, warmup=1)
    seconds = np.array([timings.median(name) for name in sides])
    costs = [architecture_cost(n, image_size=case.size, classes=CLASSES) for n in networks]
    flops = np.array([cost.flops for cost in costs], dtype=float)
    # Weighted by 1 ÷ seconds, as the error that counts is the relative one.
    slope, intercept = np.polyfit(flops, seconds, 1, w=1 / seconds)
    fitted = slope * flops + intercept
    errors = (seconds - fitted) / fitted
    spread = np.quantile(np.abs(errors), (0.25, 0.75))
    r2 = 1 - ((seconds - fitted) ** 2).sum() / ((seconds - seconds.mean()) ** 2).sum()
    by_operator = {name: _off(networks, errors, name) for name in TABLE.operator_names}
    found["cost_line"] = {
        "seconds_per_gflop": slope * 1e9,
        "seconds_at_zero": intercept,
        "r2": r2,
        "points": [
            {"gflops": f / 1e9, "seconds": s, "hash": n.hash}
            for f, s, n in zip(flops, seconds, networks, strict=True)
        ],
        "relative_error_where_all_blocks_were_this": by_operator,
    }
    off = ", ".join(f"{name} {value:+.0%}" for name, value in by_operator.items())
    note = f"{count} networks; R² {r2:.2f}; off the line if all blocks were: {off}"
    case_name = "median relative error of a line through seconds against FLOPs"
    yield Row(
        case_name, float(np.median(np.abs(errors))), *map(float, spread), _LINE_ROUNDS, 0.08, note=note
    )


def _off(networks: list[Architecture], errors: np.ndarray, operator: str) -> float:
    """Relative error of a network of this operator alone, by least squares over the shares of blocks."""
    names = TABLE.operator_names
    shares = np.array(
        [
            [np.mean([block.operator == name for _, block in network.blocks()]) for name in names]
            for network in networks
        ]
    )
    weights = np.linalg.lstsq(shares, errors, rcond=None)[0]
    return float(weights[names.index(operator)])


def waiting(case: StepCase, step: Step, options: argparse.Namespace) -> Row:
    """Share of a training step spent waiting for the data."""

    def train(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        case.supernet.zero_grad(set_to_none=True)
        case.module.accumulate(batch, step)
        case.move()

    waits, wholes = waiting_shares(case.size, options.batch, 5, train)
    shares = [wait / whole for wait, whole in zip(waits, wholes, strict=True)]
    return Row(
        "share of a supernet step spent waiting for data",
        statistics.median(shares),
        min(shares),
        max(shares),
        len(shares),
        0.05,
        note="JPEG files of 500 × 375, decoded, cropped and flipped; default workers",
    )


def where_time_goes(case: StepCase) -> None:
    """The profile of the smallest sub-network and of its frozen twin."""
    network = case.step().subnetworks[0]
    for name, run in (
        ("in the supernet", case.subnetwork_pass(network)),
        ("frozen", case.static_pass(case.frozen(network))),
    ):
        run()
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            for _ in range(3):
                run()
        print(f"smallest sub-network, {name}, three passes")
        print(recorded.key_averages().table(sort_by="self_cpu_time_total", row_limit=20))


def main() -> int:
    """Run the rows, or the profile."""
    parser = arguments(__doc__ or "")
    parser.set_defaults(rounds=13)
    parser.add_argument("--size", type=int, default=128, help="side of the images in pixels")
    parser.add_argument("--batch", type=int, default=8, help="images in a batch")
    parser.add_argument("--architectures", type=int, default=24, help="networks behind the cost line")
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    options = parser.parse_args()
    prepare(options)
    warnings.filterwarnings("ignore", message=".*not a nn.Module.*")  # NNI's, about its own modules
    case = StepCase(options.size, options.batch)
    if options.profile:
        where_time_goes(case)
        return 0
    found: dict[str, Any] = {"size": options.size, "batch": options.batch}
    return show(rows(case, options, found), options, found)


if __name__ == "__main__":
    sys.exit(main())
