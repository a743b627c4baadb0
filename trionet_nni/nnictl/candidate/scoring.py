"""One candidate, from a trial's parameters to a stored result; the same in a trial and in an evaluator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import Run, open_run
from trionet_nni.files.locks import locked_key
from trionet_nni.settings.budgets import ceilings_of
from trionet_nni.settings.plugins import load_module, load_table
from trionet_nni.settings.project import ONE_SHOT, Metric
from trionet_nni.supernet.results import Evaluation

Evaluate = Callable[[Architecture], Evaluation]


class Scoring:
    """Scores the candidates of one experiment.

    Args:
        make: gives what measures an architecture, when the first one has to be measured.

    Raises:
        InputError: the experiment's settings cannot be read.
    """

    def __init__(self, folder: ExperimentFolder, make: Callable[[], Evaluate] | None = None) -> None:
        self.folder, self.run = folder, open_run(folder)
        self.config = self.run.config
        self._table = load_table(self.config.space)
        self._cost = self.run.cost
        self._ceilings = ceilings_of(self.config.search, self._table, self._cost)
        self._store = self.run.results
        self._make = make or partial(evaluate_of, self.run)
        self._evaluate: Evaluate | None = None

    def prepare(self) -> None:
        """Load what every candidate needs.

        Raises:
            InputError: supernet, data or a plug-in cannot be used.
        """
        if self._evaluate is None:
            self._evaluate = self._make()

    def score(self, parameters: dict[str, Any]) -> Evaluation:
        """The result of a candidate: the stored one, or a new one, which is stored before this returns.

        Args:
            parameters: NNI's flat sample.

        Raises:
            InputError: the parameters are no network of the space or outside the budget, or the result
                has no finite number for what ranks candidates.
        """
        architecture = self._checked(parameters)
        with locked_key(self.folder.evaluators / "candidates.lock", architecture.hash):
            result = self._store.get(architecture.hash)
            if result is not None:
                print(f"{architecture.hash} was evaluated before: that result is reported", flush=True)
                return result
            self.prepare()
            assert self._evaluate is not None
            result = self._evaluate(architecture)
            try:
                self._store.add(result)
            except ValueError as error:
                raise InputError(f"{architecture.hash}: {error}") from None
        return result

    def _checked(self, parameters: dict[str, Any]) -> Architecture:
        """A trial can be added by hand in the portal: nothing is known about its parameters."""
        config = self.config
        architecture = Architecture.from_sample(self._table.space, parameters)
        if not self._table.contains(architecture):
            raise InputError(
                f"parameters: found {architecture.to_json()}, allowed: networks of {config.space}"
            )
        flops, search = self._cost(architecture).flops, config.search
        if not search.min_flops <= flops <= search.max_flops:
            raise InputError(
                f"parameters: found a network of {flops:.4g} FLOPs, allowed: "
                f"{search.min_flops:.4g} to {search.max_flops:.4g} (search.{search.limits_field})"
            )
        for one in self._ceilings:
            if not one.allows(architecture):
                raise InputError(
                    f"parameters: found a network of {one.of(architecture):.4g}, allowed: up to "
                    f"{one.limit:.4g} ({one.field})"
                )
        return architecture


def metrics(result: Evaluation, metric: Metric) -> dict[str, float]:
    """What a trial reports of a result.

    "default" is what NNI's portal sorts by and draws, and it takes the largest for the best unless the
    experiment file says `optimize_mode: minimize`. So it is the score, which is the larger the better in
    every experiment file: −loss, or the accuracy. Both stand beside it as they are.
    """
    return {
        "default": result.score(metric),
        **({} if result.loss is None else {"loss": result.loss}),
        "accuracy": result.accuracy,
        "flops": result.flops,
        "params": result.params,
        "seconds": round(result.seconds, 3),
    }


def evaluate_of(run: Run) -> Evaluate:
    """How this experiment measures a candidate.

    A supernet plug-in may bring a class `Evaluator(config, supernet_directory, cache)` with a method
    `evaluate(architecture)`, which is made once and then asked again and again, or else a function
    `evaluate(config, supernet_directory, architecture, cache)`. Without either this project's is taken.
    An `Evaluation` has the loss too, unless the experiment's `search.metric` is the accuracy.

    Raises:
        InputError: there is no trained supernet, or it, the data or the plug-in cannot be used.
    """
    config, directory, cache = run.config, run.supernet, run.folder.cache
    # The module is looked at without NNI being imported wherever that is possible: it costs seconds.
    if config.supernet.strategy != ONE_SHOT:
        plugin = load_module(config.supernet.strategy, (), "supernet.strategy")
        if hasattr(plugin, "Evaluator"):
            made: Evaluate = plugin.Evaluator(config, directory, cache).evaluate
            return made
        if hasattr(plugin, "evaluate"):
            return lambda architecture: plugin.evaluate(config, directory, architecture, cache)
    from trionet_nni.supernet.evaluator import Evaluator

    images = run.folder.images
    return Evaluator(config, directory, cache, images=images if images.exists() else None).evaluate
