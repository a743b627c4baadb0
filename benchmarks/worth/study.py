"""The rival at equal compute: Optuna on the same space, candidates trained from scratch.

Everything is in the rival's favour that a user could have: every candidate costs F ± 2 %, as the search's;
TPE proposes, knowing which choices belong together; Hyperband ends what lags after a ninth or a third of
the training. TPE knows no cost, so a proposal outside of the band becomes the nearest network inside, block
by block, and that is the one that TPE is told of.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.random import RandomState

from benchmarks.worth.case import Case
from benchmarks.worth.measure import measure
from benchmarks.worth.meter import Meter
from benchmarks.worth.search import pipeline
from benchmarks.worth.source import Source
from benchmarks.worth.supernet import pipeline_splits
from benchmarks.worth.unit import Bench, Unit
from trionet_nni.architecture.architecture import Architecture, Sample, block_label, depth_label
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.data.seeding import seed_of
from trionet_nni.files.atomic import write_json
from trionet_nni.training.initial import initial_network

if TYPE_CHECKING:
    import optuna

SHARES = (1, 3, 9)  # ninths of the training at which a candidate is measured, and may be ended


@dataclass(frozen=True)
class Study(Unit):
    """A study with as many CPU seconds as the pipeline of the same seed took.

    How far it comes depends on the machine, and so does its result; all else is a function of the seed.
    """

    case: Case
    seed: int

    kind: ClassVar[str] = "study"

    @property
    def title(self) -> str:
        """Names the seed."""
        return f"{self.case.name}: Optuna with the seconds of the pipeline, seed {self.seed}"

    @property
    def pipeline(self) -> tuple[Unit, ...]:
        """Whose seconds it gets."""
        return pipeline(self.case, self.seed)

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The pipeline, for its seconds."""
        return self.pipeline

    @property
    def conditions(self) -> dict[str, Any]:
        """Rival and rules."""
        recipe = self.case.training.model_dump(exclude_defaults=True)
        pipeline = [unit.identity for unit in self.pipeline]
        return {"seconds of": pipeline, "sampler": "tpe", "shares": SHARES, "recipe": recipe}

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Go on until the seconds are spent."""
        seconds = sum(float(bench.needed(unit)["cpu_seconds"]) for unit in self.pipeline)
        candidates = _Candidates(self.case, self.seed, bench.work(self))
        study = _open(bench.work(self) / "study.log", f"{self.case.name} {self.seed}")
        while candidates.may_go_on(meter.seconds, seconds, SHARES[0]):
            _one_trial(
                study, self, candidates, lambda share: candidates.may_go_on(meter.seconds, seconds, share)
            )
        return {**_best(study), "seconds_given": round(seconds, 1)}


def _open(file: Path, name: str) -> optuna.Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(file)))
    pruner = optuna.pruners.HyperbandPruner(min_resource=SHARES[0], max_resource=SHARES[-1])
    study = optuna.create_study(storage=storage, pruner=pruner, study_name=name, load_if_exists=True)
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):  # of before a kill
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def _one_trial(
    study: optuna.Study, unit: Study, candidates: _Candidates, may_go_on: Callable[[int], bool]
) -> None:
    """Propose a network and train it share by share; a trial that the seconds end has failed."""
    import optuna

    trial, network = _proposed(study, unit)
    for share in SHARES:
        if share > SHARES[0] and not may_go_on(share):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        loss = candidates.loss(network, share)
        trial.report(loss, share)
        if share < SHARES[-1] and trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
    trial.set_user_attr("network", network.to_dict())
    study.tell(trial, loss)


def _proposed(study: optuna.Study, unit: Study) -> tuple[optuna.trial.Trial, Architecture]:
    """A trial and its network, which lies in the band and has not been trained before."""
    import optuna

    case, number = unit.case, len(study.trials)
    sampler = optuna.samplers.TPESampler(
        multivariate=True,
        group=True,
        warn_independent_sampling=False,
        seed=seed_of(unit.seed, "study", number) % 2**32,  # whatever was proposed before an interruption
    )
    study.sampler = sampler
    trial = study.ask()
    network = suggested(trial, case.table)
    random = RandomState(seed_of(unit.seed, "band", number) % 2**32)
    inside = inside_band(case, network, random)
    known = {Architecture.from_sample(case.table.space, one.params).hash for one in _trained(study)}
    while inside.hash in known:
        inside = Budget.of(case.table, case.cost, *case.band).random(random)
    if inside == network:
        return trial, network
    study.tell(trial, state=optuna.trial.TrialState.FAIL)  # TPE does not learn from failed trials
    study.enqueue_trial(inside.to_sample())
    trial = study.ask()
    return trial, suggested(trial, case.table)


def _trained(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState

    return list(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED]))


def suggested(trial: optuna.trial.Trial, table: SpaceTable) -> Architecture:
    """The trial's network; each choice is a categorical parameter with NNI's label as its name."""
    sample: Sample = {}
    for stage, depths in enumerate(table.depths):
        name = depth_label(stage)
        sample[name] = trial.suggest_categorical(name, depths)
        for index in range(sample[name]):
            sample |= _suggested_block(trial, table, block_label(stage, index))
    return Architecture.from_sample(table.space, sample)


def _suggested_block(trial: optuna.trial.Trial, table: SpaceTable, label: str) -> Sample:
    operator = trial.suggest_categorical(f"{label}.operator", table.operator_names)
    options = {
        f"{label}.{operator}.{option}": trial.suggest_categorical(f"{label}.{operator}.{option}", values)
        for option, values in table.choices(operator).options
    }
    return {f"{label}.operator": operator, **options}


def inside_band(case: Case, network: Architecture, random: RandomState) -> Architecture:
    """The network itself where its cost fits; else one of its depths with as many of its blocks as fit."""
    budget = Budget.of(case.table, case.cost, *case.band)
    if budget.allows(network):
        return network
    if not budget.fits(network.depths):
        return budget.random(random)
    blocks = {
        (stage, index): block for stage, row in enumerate(network.stages) for index, block in enumerate(row)
    }
    found = budget.complete(network.depths, blocks, random)
    return found if budget.allows(found) else budget.random(random)


class _Candidates:
    """Trains candidates share by share, and knows what a share of a training costs.

    Args:
        folder: of the study; a candidate's checkpoint lies in a folder of its hash.
    """

    def __init__(self, case: Case, seed: int, folder: Path) -> None:
        self.case, self.folder, self.splits = case, folder, pipeline_splits(case)
        self.recipe = case.training.model_copy(update={"seed": 300 + seed})
        self.file = folder / "losses.json"
        self.losses: dict[str, float] = json.loads(self.file.read_text()) if self.file.exists() else {}
        self._dearest = 0.0  # CPU seconds of a ninth of a training

    def may_go_on(self, spent: float, seconds: float, share: int) -> bool:
        """Whether the seconds suffice to come to a share from the one before it."""
        before = max((other for other in SHARES if other < share), default=0)
        return spent + self._dearest * (share - before) <= seconds

    def loss(self, network: Architecture, share: int) -> float:
        """On the search images, after so many ninths of the training on the others."""
        name = f"{network.hash} {share}"
        if name not in self.losses:
            begin = time.process_time()
            self.losses[name] = self._trained(network, share)
            before = max((other for other in SHARES if other < share), default=0)
            self._dearest = max(self._dearest, (time.process_time() - begin) / (share - before))
            write_json(self.file, self.losses)
        return self.losses[name]

    def _trained(self, network: Architecture, share: int) -> float:
        from trionet_nni.training.fit import fit

        splits, static = self.splits, initial_network(network, self.recipe, self.case.cost)
        fit(
            static,
            self.recipe,
            splits.train,
            self.folder / network.hash,
            classes=splits.classes,
            progress=False,
            checkpoint_minutes=0.5,
            workers=0,
            stop_after_steps=round((self.recipe.steps or 0) * share / SHARES[-1]),
        )
        return float(measure(static, splits.search)["loss"])


def _best(study: optuna.Study) -> dict[str, Any]:
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    counts = {state.name.lower(): sum(one.state == state for one in trials) for state in TrialState}
    best = study.best_trial
    return {
        "network": best.user_attrs["network"],
        "loss_searched": round(study.best_value, 4),
        "candidates": len(_trained(study)),
        "trials": {name: count for name, count in counts.items() if count},
    }


@dataclass(frozen=True)
class FoundByOptuna(Source):
    """The candidate of a study with the least loss on the search images, of those trained to the end."""

    case: Case
    seed: int

    @property
    def study(self) -> Study:
        """Which found it."""
        return Study(self.case, self.seed)

    @property
    def key(self) -> str:
        """What finds it."""
        return f"winner of {self.study.identity}"

    @property
    def title(self) -> str:
        """Names the seed."""
        return f"Optuna's network {self.seed}"

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The study."""
        return (self.study,)

    def network(self, bench: Bench) -> Architecture:
        """The winner."""
        return Architecture.from_dict(bench.needed(self.study)["network"])
