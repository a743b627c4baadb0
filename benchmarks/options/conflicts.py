"""How often gradients conflict: what projection has to do in the steps of a supernet trained without it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar

import torch
from torch import Tensor

from benchmarks.worth.case import Case
from benchmarks.worth.meter import Meter
from benchmarks.worth.supernet import Supernet, pipeline_splits
from benchmarks.worth.unit import Bench, Unit

_STEPS = 50
_AFTER = 10**6  # draws that no training has seen


@dataclass(frozen=True)
class Conflicts(Unit):
    """⟨g_L, g_O⟩ of the largest's and the others' gradients, per stored tensor, after a training."""

    case: Case
    seed: int

    kind: ClassVar[str] = "conflicts"

    @property
    def title(self) -> str:
        """Names the seed."""
        return f"{self.case.name}: conflicts in supernet {self.seed}"

    @property
    def supernet(self) -> Supernet:
        """Whose gradients they are."""
        return Supernet(self.case, self.seed)

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The supernet."""
        return (self.supernet,)

    @property
    def conditions(self) -> dict[str, Any]:
        """Supernet and steps."""
        return {"of": self.supernet.identity, "steps": _STEPS}

    def prepare(self, bench: Bench) -> None:
        """The supernet's weights, on whatever machine."""
        self.supernet.ensure(bench)

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Share of tensors in conflict, mean cosine, and how far projection would move the gradient."""
        from trionet_nni.files.weights import read_weights
        from trionet_nni.supernet.folder import WEIGHTS

        return found(self.supernet, read_weights(self.supernet.directory(bench) / WEIGHTS))


def found(supernet: Supernet, state: Mapping[str, Tensor]) -> dict[str, float]:
    """The same of a supernet with any weights."""
    from strategies.projection import copied, make_way
    from strategies.sandwich import Step

    module, batches = _module(supernet, state)
    cosines: list[float] = []
    moved: list[float] = []
    for number in range(_STEPS):
        step, batch = module.draw(_AFTER + number), batches[number]
        first, rest = step.subnetworks[step.decayed], list(step.subnetworks)
        rest.pop(step.decayed)
        module.zero_grad(set_to_none=True)
        module.accumulate(batch, Step((first,), 0))
        largest = copied(module.model.parameters())
        module.accumulate(batch, Step(tuple(rest), 0))
        sums = copied(largest)
        cosines += [_cosine(one, sums[p] - one) for p, one in largest.items() if (sums[p] - one).any()]
        make_way(largest)
        after = copied(largest)
        moved.append(_norm(after[p] - total for p, total in sums.items()) / _norm(sums.values()))
    return {
        "conflicting": round(fmean(value < 0 for value in cosines), 4),
        "cosine": round(fmean(cosines), 4),
        "moved": round(fmean(moved), 4),
    }


def _module(supernet: Supernet, state: Mapping[str, Tensor]) -> tuple[Any, Any]:
    from strategies.one_shot import SupernetTask, TrioNetOneShot, build_supernet
    from trionet_nni.training.batches import StepBatches

    config, splits = supernet.config, pipeline_splits(supernet.case)
    recipe = config.supernet.recipe
    space = build_supernet(config, splits)
    strategy = TrioNetOneShot(config.supernet, space.table)
    model = strategy.mutate_model(space)
    model.load_state_dict(dict(state))
    batches = StepBatches(splits.train, recipe.batch_size, recipe.augment, recipe.seed)
    task = SupernetTask(recipe, batches.steps_per_epoch)
    task.set_model(model)
    module = strategy.configure_oneshot_module(task)
    module.weight_decay, module.manual_backward = 0.0, torch.Tensor.backward
    return module, batches


def _cosine(a: Tensor, b: Tensor) -> float:
    norms = float(a.norm() * b.norm())
    return float((a * b).sum()) / norms if norms else 0.0


def _norm(parts: Iterable[Tensor]) -> float:
    return float(torch.stack([part.norm() for part in parts]).norm())
