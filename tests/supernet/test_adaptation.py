"""A candidate's own weights, trained a little before it is scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spaces import tiny
from tests.helpers.architectures import random_architectures
from tests.helpers.supernets import project
from tests.helpers.tiny_experiment import CANDIDATES, finished
from tests.helpers.tiny_experiment import project as searched
from trionet_nni.data import load_splits
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import prepare
from trionet_nni.network.trionet import TrioNet
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.adaptation import adapt, for_steps
from trionet_nni.supernet.evaluator import Evaluator
from trionet_nni.training.fit import fit


def network() -> TrioNet:
    torch.manual_seed(0)
    return TrioNet(random_architectures(tiny.TABLE, 1)[0], classes=10, channels=1, image_size=28)


def test_it_is_the_beginning_of_a_training_by_the_recipe(tmp_path: Path) -> None:
    """As Lightning's loop trains it, to the bit; whatever was drawn in between, and in inference mode."""
    config = project()
    images = load_splits(config.data, tmp_path).train
    recipe = for_steps(config.supernet.recipe, 5)
    mine, theirs = network(), network()
    torch.rand(7)
    with torch.inference_mode():
        adapt(mine, images, recipe)
    fit(theirs, recipe, images, tmp_path / "run", progress=False)
    for (name, tensor), other in zip(mine.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(tensor, other), name
    moved = [not torch.equal(a, b) for a, b in zip(mine.parameters(), network().parameters(), strict=True)]
    assert any(moved)


def adapting(batch_size: int) -> ProjectConfig:
    config = searched()
    changes = {
        "search": config.search.model_copy(update={"adaptation": 3}),
        "finetune": config.finetune.model_copy(update={"batch_size": batch_size, "learning_rate": 0.05}),
    }
    return config.model_copy(update=changes)


def test_a_candidate_adapts_its_own_copy_whoever_came_before_it() -> None:
    files, config = finished(), adapting(8)
    supernet = files.supernet_directory(config.supernet_hash())  # the supernet has the name that it had
    evaluator, plain = (Evaluator(one, supernet, files.cache) for one in (config, searched()))
    before = {name: tensor.clone() for name, tensor in evaluator._state.items()}
    found = [evaluator.evaluate(one) for one in (*CANDIDATES, *reversed(CANDIDATES))]
    assert all(torch.equal(tensor, before[name]) for name, tensor in evaluator._state.items())
    assert [replace(one, seconds=0) for one in found] == [replace(one, seconds=0) for one in found[::-1]]
    assert all(one.loss != plain.evaluate(one.architecture).loss for one in found[: len(CANDIDATES)])


def test_a_batch_that_the_images_do_not_fill_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"finetune\.batch_size"):
        prepare(adapting(10**6), tmp_path)
    prepare(adapting(8), tmp_path)
