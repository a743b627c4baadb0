"""A ready experiment for a folder of pictures, and the reasons for what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
import yaml

from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.errors import InputError
from trionet_nni.experiment.pictures import Pictures, look_at
from trionet_nni.experiment.shipped import bring, own_code, shipped
from trionet_nni.files.atomic import write_text
from trionet_nni.finalists.halving import rungs, trials
from trionet_nni.settings.plugins import load_module, load_table, use_code
from trionet_nni.settings.project import DataConfig, SupernetConfig

NAME = "experiment.yml"
CHANNELS = 3  # pictures are read as RGB, grey ones too
_SMALL, _PAPER = "spaces.small", "spaces.trionet"
_SMALL_SIDES, _PAPER_SIDE = (28, 64), 224  # pixels that a space is made for
_PHOTOGRAPH = 128  # pixels from which a picture has something to show to the paper's space
_MULTIPLE = 4  # the small space halves an image twice
_SAMPLES = 2_000  # networks that say what a space's networks cost
_QUANTILES = {"small": 0.2, "medium": 0.5, "large": 0.8}  # of the FLOPs of sampled networks
_EPOCHS, _STEPS = 10, (300, 3_000)  # of the supernet, and the bounds of its steps
_BATCHES = (32, 64)  # pictures of a step: of the supernet, of a network alone
_POPULATION, _PARENTS, _CANDIDATES = 24, 8, 48
_FINALISTS, _REPEATS = 4, 2  # of each budget; the better half is trained twice
_WIDTH = 100  # characters of a comment

_TEXT = """\
# Made by: trionet new {folder} --data {root}
{reasons}
experimentName: {name}
trialCommand: python3 -m trionet_nni.nnictl.trial
trialCodeDirectory: {code}
trialConcurrency: 3           # one more than fit two cores: it waits where no time is lost
maxTrialNumber: {trials}   # one of the supernet, {candidates} candidates, {trainings} finalists' trainings
experimentWorkingDirectory: runs
searchSpace: {{}}
trainingService:
  platform: local
tuner:
  codeDirectory: {code}
  className: trionet_nni.nnictl.advisor.TrioNetAdvisor
  classArgs:
    space: {space}
    data:
      name: {data}
      root: {root}
      image_size: {size}
    supernet:
      recipe:
        {{steps: {steps}, batch_size: {batch}, learning_rate: 0.05, warmup: 0.05, augment: shift-flip}}
      curve_points: 5
    search:
      budgets: [{budgets}]   # FLOPs of one picture: small, medium, large; each has a winner of its own
      population: {population}
      parents: {parents}
      finalists: {{count: {finalists}, steps: {steps}, repeats: {repeats}}}
    retrain:
      {{steps: {retrain}, batch_size: {alone}, learning_rate: 0.1, warmup: 0.05, augment: shift-flip}}
    finetune:
      {{steps: {steps}, batch_size: {alone}, learning_rate: 1.0e-3, warmup: 0, augment: shift-flip}}
"""


@dataclass(frozen=True)
class Choice:
    """What was chosen for a folder of pictures.

    Attributes:
        space: dotted path.
        size: side of the network's input, pixels.
        why: one sentence on space and size.
        budgets: FLOPs of one picture, ascending.
        steps: of the supernet.
    """

    pictures: Pictures
    space: str
    size: int
    why: str
    budgets: tuple[int, ...]
    steps: int

    @property
    def reasons(self) -> tuple[str, ...]:
        """In plain words, a sentence each."""
        found, data = self.pictures, DataConfig()
        search, recalibration = data.search_count(found.pool), data.recalibration_count(found.pool)
        test = "with test pictures of their own" if found.own_test else "a fifth of each class set aside"
        named = ", ".join(f"{name} {flops:,}" for name, flops in zip(_QUANTILES, self.budgets, strict=True))
        low, *_, high = (f"{100 * share:.0f} %" for share in _QUANTILES.values())
        return (
            f"Pictures: {found.count:,} in {len(found.classes)} classes; to test, {test}. Channels: "
            f"{CHANNELS}, as all pictures are read in colour.",
            self.why,
            f"Budgets in FLOPs: {named}. Of networks drawn from the space {low} cost less than the small "
            f"one, half less than the medium one, {high} less than the large one.",
            f"Of the {found.pool:,} pictures to train on, {search:,} score candidates and up to "
            f"{recalibration:,} give BN statistics; both grow with the folder.",
            f"Schedule: {self.steps:,} steps of the supernet ({_EPOCHS} times all pictures, but between "
            f"{_STEPS[0]:,} and {_STEPS[1]:,} steps), {_CANDIDATES} candidates, {_FINALISTS} finalists of "
            "each budget. --minutes sets another one for this machine.",
        )


def new_experiment(folder: Path, root: Path, *, gpu: bool) -> tuple[Path, Choice]:
    """Write `folder/experiment.yml` for the pictures in `root`.

    Where no `spaces` and `strategies` can be imported (an installed wheel, called anywhere), the ones that
    the library ships come along into the folder, with its experiments; otherwise those found are used.

    Args:
        folder: a new one, or an empty one.
        root: holds the class folders, see `trionet_nni.data.folder`.
        gpu: whether photographs can be searched at the paper's size.

    Raises:
        InputError: the folder holds something, or the pictures cannot be used.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: found something there, allowed: a new or an empty folder")
    own = own_code()
    use_code(own or shipped())
    choice = _choose(look_at(root.resolve()), gpu)
    text = _text(folder.resolve(), "." if own is None else str(own), choice)
    folder.mkdir(parents=True, exist_ok=True)
    if own is None:
        bring(folder)
    path = folder / NAME
    write_text(path, text)
    return path, choice


def _choose(pictures: Pictures, gpu: bool) -> Choice:
    space, size, why = _space(pictures.side, gpu)
    batch = min(_BATCHES[0], pictures.pool)
    steps = min(max(_STEPS[0], _EPOCHS * pictures.pool // batch), _STEPS[1])
    cost = CostModel(len(pictures.classes), CHANNELS, size)
    return Choice(pictures, space, size, why, _budgets(space, cost), steps)


def _space(side: int, gpu: bool) -> tuple[str, int, str]:
    """Space, image size and why."""
    low, high = _SMALL_SIDES
    found = f"Their shorter sides are {side} pixels (median)"
    if side <= high:
        size = min(max(low, -(-side // _MULTIPLE) * _MULTIPLE), high)
        return _SMALL, size, f"{found}: image size {size}, and {_SMALL}, made for {low} to {high} pixels."
    if gpu and side >= _PHOTOGRAPH:
        return (
            _PAPER,
            _PAPER_SIDE,
            f"{found}; with a GPU, the paper's space at {_PAPER_SIDE} pixels.",
        )
    reason = f"the largest that {_SMALL} is made for; the paper's space at {_PAPER_SIDE} pixels needs a GPU"
    return _SMALL, high, f"{found}: image size {high}, {reason} and photographs."


def _budgets(space: str, cost: CostModel) -> tuple[int, ...]:
    """FLOPs that quantiles of sampled networks cost, to two digits."""
    table = load_table(space)
    sampling = load_module(SupernetConfig().sampling, ("SAMPLING",), "supernet.sampling").SAMPLING
    random, budget = np.random.default_rng(0), Budget.of(table, cost, 0, float("inf"))
    flops = [
        budget.flops(sampling.configuration(table, sampling.operators(table, random), random))
        for _ in range(_SAMPLES)
    ]
    return tuple(int(float(f"{value:.1e}")) for value in np.quantile(flops, list(_QUANTILES.values())))


def _text(folder: Path, code: str, choice: Choice) -> str:
    trainings = trials(rungs(_FINALISTS, choice.steps, _REPEATS), len(choice.budgets))
    searching = DataConfig().search_count(choice.pictures.pool)
    left = choice.pictures.pool - searching
    return _TEXT.format(
        folder=_scalar(str(folder)),
        data=choice.pictures.data,
        root=_scalar(str(choice.pictures.root)),
        reasons="\n".join(_comment(sentence) for sentence in choice.reasons),
        name=_scalar(f"trionet-{folder.name}"),
        code=_scalar(code),
        trials=1 + _CANDIDATES + trainings,
        candidates=_CANDIDATES,
        trainings=trainings,
        space=choice.space,
        size=choice.size,
        steps=choice.steps,
        batch=min(_BATCHES[0], left),
        budgets=", ".join(f"{flops:.1e}" for flops in choice.budgets),
        population=_POPULATION,
        parents=_PARENTS,
        finalists=_FINALISTS,
        repeats=_REPEATS,
        retrain=2 * choice.steps,
        alone=min(_BATCHES[1], left),
    )


def _comment(sentence: str) -> str:
    return fill(sentence, _WIDTH, initial_indent="# ", subsequent_indent="#   ")


def _scalar(text: str) -> str:
    """A text as YAML writes it on one line."""
    return yaml.safe_dump(text, width=float("inf"), allow_unicode=True).removesuffix("...\n").strip()
