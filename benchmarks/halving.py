"""Successive halving over search images against measuring every candidate on all of them.

On a really trained supernet: the candidates of a search are measured once on all held-out images, image by
image. These are then divided at random, again and again, into search images and others; on the others it
shows which candidates are really the best, as `Halving` and full measurement see the search images only.

    python -m benchmarks.halving runs/EXPERIMENT [--candidates 200] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.random import RandomState
from numpy.typing import NDArray

from benchmarks.ratio import Row, arguments, prepare, show
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import Splits, load_splits
from trionet_nni.nnictl.search.in_process import search_in_process
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import HalvingConfig, ProjectConfig
from trionet_nni.supernet.evaluator import subnetwork
from trionet_nni.supernet.halving import Halving, Rungs
from trionet_nni.training.evaluate import network_input
from trionet_nni.training.recalibrate import recalibrate

Matrix = NDArray[np.bool_]  # [candidates, images]: whether the network names the image's class
TOP = 25
RECALIBRATION = 0.2  # passes of BN recalibration, as a share of the search images; never saved


def measured(experiment: Path, candidates: int, population: int) -> Matrix:
    """A search of the experiment's strategy, every candidate on the search and the test images."""
    home = experiment / "trionet"
    config = ProjectConfig.model_validate_json((home / "project.json").read_text())
    supernet = Path(json.loads((home / "supernet.json").read_text())["directory"])
    splits = load_splits(config.data, experiment.resolve().parent / "cache")
    table, cost = load_table(config.space), CostModel(splits.classes, splits.channels, splits.image_size)
    rows: list[NDArray[np.bool_]] = []

    def score(architecture: Architecture) -> float:
        rows.append(_row(config, supernet, architecture, splits))
        if len(rows) % 10 == 0:
            print(f"{len(rows)} of {candidates} candidates measured", file=sys.stderr, flush=True)
        return float(rows[-1][: len(splits.search)].mean())

    settings = config.search.model_copy(update={"population": population})
    search_in_process(settings, table, cost, score, candidates)
    return np.stack(rows)


@torch.inference_mode()
def _row(config: ProjectConfig, supernet: Path, architecture: Architecture, splits: Splits) -> Matrix:
    network = subnetwork(config, supernet, architecture, splits)
    recalibrate(network, splits.recalibration)
    network.eval()
    found = []
    for images in (splits.search, splits.test):
        for start in range(0, len(images), 256):
            rows = slice(start, min(start + 256, len(images)))
            logits = network(network_input(images, rows, torch.device("cpu")))
            found.append(logits.argmax(1) == images.labels[rows])
    return torch.cat(found).numpy()


def one_division(right: Matrix, config: HalvingConfig, random: RandomState) -> tuple[float, float, float]:
    """Cost of halving as a share of full measurement; top-25 recall of halving; of full measurement."""
    order = random.permutation(right.shape[1])
    search, others = np.array_split(order, 2)
    truth = _top(right[:, others].mean(1), random)
    full = _top(right[:, search].mean(1), random)
    history: list[Rungs] = []
    rule = Halving(config, len(search), lambda: history)
    used = []
    for row in right[:, search]:  # in the order of the search: later ones are better
        rungs: list[float] = []
        for number, images in enumerate(rule.images):
            rungs.append(float(row[:images].mean()))
            if images < len(search) and not rule.goes_on(number, rungs[-1]):
                break
        history.append(tuple(rungs))
        used.append(rule.images[len(rungs) - 1])
    whole = np.array([count == len(search) for count in used])
    halved = _top(np.where(whole, right[:, search].mean(1), -1), random)
    cost = (np.mean(used) / len(search) + RECALIBRATION) / (1 + RECALIBRATION)
    return float(cost), len(truth & halved) / TOP, len(truth & full) / TOP


def _top(accuracy: NDArray[np.float64], random: RandomState) -> set[int]:
    """The best candidates; of equal ones a random choice."""
    return set(np.lexsort((random.random_sample(len(accuracy)), -accuracy))[:TOP].tolist())


def rows(right: Matrix, config: HalvingConfig, divisions: int) -> Iterator[Row]:
    """Cost, and recall lost, over random divisions of the images."""
    random = RandomState(0)
    found = np.array([one_division(right, config, random) for _ in range(divisions)])
    what = f"{len(right)} candidates, {right.shape[1] // 2} search images"
    cost, low, high = found[:, 0].mean(), *np.quantile(found[:, 0], (0.25, 0.75))
    note = f"{what}; images, with {RECALIBRATION:.0%} recalibration on both sides"
    yield Row("cost of halving ÷ full measurement", cost, low, high, divisions, 0.55, note=note)
    lost = found[:, 2] - found[:, 1]
    error = lost.std(ddof=1) / divisions**0.5
    note = f"mean ± standard error; recall {found[:, 1].mean():.3f} against {found[:, 2].mean():.3f}"
    case = f"top-{TOP} recall lost by halving"
    yield Row(case, lost.mean(), lost.mean() - error, lost.mean() + error, divisions, 0.02, note=note)


def main() -> int:
    """Measure or read the candidates, print the rows."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.formatter_class = argparse.RawTextHelpFormatter
    parser.add_argument("experiment", type=Path, help="an experiment with a trained supernet")
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--population", type=int, default=50, help="random candidates at the start")
    parser.add_argument("--divisions", type=int, default=400, help="random divisions of the images")
    parser.add_argument("--keep", type=float, default=HalvingConfig().keep)
    parser.add_argument("--matrix", type=Path, help="where the measurements are kept: read if it is there")
    options = parser.parse_args()
    prepare(options)
    sys.path.insert(0, str(Path.cwd()))
    if options.matrix and options.matrix.exists():
        right = np.load(options.matrix)
    else:
        right = measured(options.experiment, options.candidates, options.population)
        if options.matrix:
            np.save(options.matrix, right)
    config = HalvingConfig(keep=options.keep)
    return show(rows(right, config, options.divisions), options)


if __name__ == "__main__":
    sys.exit(main())
