"""What a candidate costs beyond the forward passes that nobody can save.

In one process: an evaluation against the same frozen network's plain forward pass over the same images, as
float32 batches made before. Through nnictl: seconds a candidate, and candidates a minute against a process
per trial that loads everything (`search.warm: false`), with the settings of experiments/quickstart.yml, but
few candidates and a supernet of eight steps: what the weights are costs no time. Its training is not timed.

    python -m benchmarks.evaluation [--json] [--no-search]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from numpy.random import RandomState
from torch import Tensor, nn

from benchmarks.ratio import Row, arguments, interleaved, prepare, show
from benchmarks.small_search import QUICKSTART, own_home, run_search
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import ImageSet, load_splits
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.atomic import write_json
from trionet_nni.nnictl.candidate.scoring import Scoring
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import ProjectConfig, load_experiment
from trionet_nni.supernet.evaluator import Evaluator
from trionet_nni.training.evaluate import BATCH, accuracy
from trionet_nni.training.recalibrate import recalibrate

_NETWORKS = 2
_SCORED = 20
_OVERHEAD_SECONDS = 0.05
_CANDIDATE_SECONDS = 4.0


def rows(rounds: int, search: bool) -> Iterator[Row]:
    """Every row; `search` for those that need nnictl."""
    with tempfile.TemporaryDirectory(prefix="trionet-benchmark-") as name:
        folder = Path(name)
        yield from in_process(folder, rounds)
        if search:
            (folder / "home").mkdir()
            with own_home(folder / "home"):
                yield from through_nnictl(folder)


def in_process(folder: Path, rounds: int) -> Iterator[Row]:
    """Evaluation against plain forward pass, and everything else of a candidate."""
    config = load_experiment(QUICKSTART)
    fifth = config.data.search_images // 5
    data = config.data.model_copy(update={"recalibration_images": fifth})
    config = config.model_copy(update={"data": data})
    splits = load_splits(data, folder / "cache")
    _write_supernet(config, folder)
    evaluator = Evaluator(config, folder, folder / "cache")
    for architecture in _networks(config, _NETWORKS):
        yield from _against_forward(evaluator, architecture, splits.search, rounds)
    yield _everything_else(config, folder)


def _against_forward(
    evaluator: Evaluator, architecture: Architecture, images: ImageSet, rounds: int
) -> Iterator[Row]:
    frozen = evaluator.network(architecture)
    recalibrate(frozen, images)
    frozen.eval()
    batches = [images.normalized(slice(at, at + BATCH)) for at in range(0, len(images), BATCH)]
    timings = interleaved(
        {
            "forward": lambda: _forward(frozen, batches),
            "evaluation": lambda: accuracy(evaluator.network(architecture), images),
            "recalibrated": lambda: evaluator.evaluate(architecture),
        },
        rounds,
        warmup=1,
    )
    name = " | ".join(" ".join(block.operator for block in stage) for stage in architecture.stages)
    yield timings.row(f"evaluation ÷ forward pass, {name}", "evaluation", "forward", 1.1)
    yield timings.row(f"with 20 % recalibration ÷ forward, {name}", "recalibrated", "forward", 1.3)


@torch.inference_mode()
def _forward(network: nn.Module, batches: list[Tensor]) -> None:
    for batch in batches:
        network(batch)


def _everything_else(config: ProjectConfig, folder: Path) -> Row:
    """From a question to a stored result, over three images: so few that their passes hardly count."""
    data = config.data.model_copy(update={"search_images": 1, "recalibration_images": 2})
    config = config.model_copy(update={"data": data})
    files = ExperimentFolder(folder / "runs" / "scored")
    write_json(files.project, config.model_dump(mode="json"))
    write_json(files.cost, asdict(CostModel(10, 1, data.image_size)))
    scoring = Scoring(files, lambda: Evaluator(config, folder, folder / "cache").evaluate)
    scoring.prepare()
    shares = []
    for architecture in _networks(config, _SCORED):
        started = time.perf_counter()
        scoring.score(architecture.to_sample())
        shares.append((time.perf_counter() - started) / _OVERHEAD_SECONDS)
    low, middle, high = statistics.quantiles(shares, n=4)
    note = (
        f"median {1000 * middle * _OVERHEAD_SECONDS:.1f} ms: check, cut, build, store, passes over 3 images"
    )
    return Row("everything else per candidate ÷ 50 ms", middle, low, high, len(shares), 1.0, note=note)


def _networks(config: ProjectConfig, count: int) -> list[Architecture]:
    table = load_table(config.space)
    budget = Budget.of(table, CostModel(10, 1, config.data.image_size), 0, config.search.max_flops)
    random, found = RandomState(0), dict[str, Architecture]()
    while len(found) < count:
        architecture = budget.random(random)
        found[architecture.hash] = architecture
    return list(found.values())


def _write_supernet(config: ProjectConfig, folder: Path) -> None:
    """A supernet of one step: its weights decide no time."""
    from strategies.one_shot import train_supernet

    recipe = config.supernet.recipe.model_copy(update={"epochs": 0.01, "warmup_epochs": 0.0})
    supernet = config.supernet.model_copy(update={"recipe": recipe, "curve_points": 1})
    config = config.model_copy(update={"supernet": supernet})
    train_supernet(config, folder, lambda point: None, cache=folder / "cache")


def through_nnictl(folder: Path, alone: int = 6, together: int = 16) -> Iterator[Row]:
    """Whole candidates, NNI's manager included."""
    single = run_search(folder, candidates=alone, concurrency=1, warm=True)
    shares = [seconds / _CANDIDATE_SECONDS for seconds in single.intervals[1:]]
    low, middle, high = statistics.quantiles(shares, n=4)
    note = f"median {middle * _CANDIDATE_SECONDS:.1f} s; the first, with loading, {single.seconds[0]:.1f} s"
    yield Row("a candidate through nnictl ÷ 4 s", middle, low, high, len(shares), 1.0, note=note)
    warm = run_search(folder, candidates=together, concurrency=2, warm=True)
    cold = run_search(folder, candidates=together, concurrency=2, warm=False)
    faster = cold.seconds[-1] / warm.seconds[-1]
    yield Row(
        "candidates a minute, warm ÷ a process per trial", faster, faster, faster, 1, 3.0, "at least",
        f"{together} candidates each at concurrency 2, loading included",
    )  # fmt: skip
    done = len(single.evaluated) + len(warm.evaluated)
    repeats = done / (single.different + warm.different)
    yield Row("evaluations ÷ different networks", repeats, repeats, repeats, 1, 1.0, note=f"{done} of them")


def main() -> int:
    """Print the rows."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--no-search", action="store_true", help="leave out what needs nnictl")
    parser.set_defaults(rounds=9)  # a side takes a second
    options = parser.parse_args()
    prepare(options)
    return show(rows(options.rounds, not options.no_search), options)


if __name__ == "__main__":
    sys.exit(main())
