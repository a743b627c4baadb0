from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule

from spaces import small, tiny, trionet
from strategies import hierarchical_sampling, prefix_sharing
from strategies.multi_head_sharing import SHARING
from strategies.one_shot import SupernetTask, TrioNetOneShot, train_supernet
from strategies.sandwich import draw
from tests.helpers.architectures import random_architectures
from tests.helpers.elastic import make_supernet, supernet_of, used_elements
from tests.helpers.supernets import STEPS, project
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.network.trionet import TrioNet
from trionet_nni.settings.plugins import load_module
from trionet_nni.supernet.slicing import subnetwork_state

TABLE = small.TABLE


def choose(supernet, architecture: Architecture) -> None:
    sample = architecture.to_sample()
    for module in supernet.modules():
        if isinstance(module, BaseSuperNetModule):
            module.resample(memo=sample)


def static(supernet, architecture: Architecture, sharing=SHARING) -> TrioNet:
    network = TrioNet(architecture, classes=10, channels=1, image_size=28)
    network.load_state_dict(subnetwork_state(supernet.state_dict(), architecture, sharing, 28))
    return network


@pytest.mark.parametrize("sharing", ["strategies.multi_head_sharing", "strategies.prefix_sharing"])
def test_a_subnetwork_in_the_supernet_is_the_frozen_network(sharing):
    supernet, rule = make_supernet(sharing), load_module(sharing, (), "").SHARING
    images = torch.randn(6, 1, 28, 28)
    for architecture in random_architectures(TABLE, 25):
        choose(supernet, architecture)
        frozen = static(supernet, architecture, rule)
        torch.testing.assert_close(supernet(images), frozen(images), atol=1e-5, rtol=1e-5)
        by_nni = supernet.freeze(architecture.to_sample())
        torch.testing.assert_close(by_nni(images), frozen(images), atol=1e-5, rtol=1e-5)


def test_recalibrated_supernet_and_frozen_network_agree_in_evaluation(tmp_path: Path):
    from trionet_nni.data import load_splits
    from trionet_nni.training.recalibrate import recalibrate

    splits = load_splits(project().data, tmp_path)
    supernet = make_supernet()
    images = splits.search.normalized(slice(0, 20))
    for architecture in random_architectures(TABLE, 4, seed=5):
        choose(supernet, architecture)
        frozen = static(supernet, architecture)
        recalibrate(supernet, splits.recalibration)
        recalibrate(frozen, splits.recalibration)
        with torch.no_grad():
            mine, theirs = supernet.eval()(images), frozen.eval()(images)
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def test_gradients_in_the_supernet_are_those_of_the_frozen_network():
    supernet = make_supernet()
    images = torch.randn(4, 1, 28, 28)
    for architecture in random_architectures(TABLE, 6, seed=2):
        choose(supernet, architecture)
        frozen = static(supernet, architecture)
        supernet.zero_grad(set_to_none=True)
        supernet(images).logsumexp(1).sum().backward()
        frozen(images).logsumexp(1).sum().backward()
        gradients = {
            name: torch.zeros_like(p) if p.grad is None else p.grad
            for name, p in supernet.named_parameters()
        }
        cut = subnetwork_state({**supernet.state_dict(), **gradients}, architecture, SHARING, 28)
        for name, parameter in frozen.named_parameters():
            torch.testing.assert_close(cut[name], parameter.grad, atol=1e-4, rtol=1e-3, msg=name)


def module_of(supernet, *, weight_decay: float = 0.0):
    config = project().supernet
    strategy = TrioNetOneShot(config, TABLE)
    task = SupernetTask(config.recipe, 10)
    task.set_model(supernet)
    module = strategy.configure_oneshot_module(task)
    module.weight_decay = weight_decay
    module.manual_backward = lambda loss: loss.backward()
    return module


def gradients_of(module, batch, step) -> dict[str, torch.Tensor | None]:
    module.zero_grad(set_to_none=True)
    module.accumulate(batch, step)
    return {name: None if p.grad is None else p.grad.clone() for name, p in module.model.named_parameters()}


def test_four_losses_add_their_gradients_and_decay_acts_on_the_largest_alone():
    supernet = make_supernet()
    supernet.dropout.p = 0.0
    module = module_of(supernet)
    batch = torch.randn(4, 1, 28, 28), torch.tensor([0, 1, 2, 3])
    step = module.draw(0)
    together = gradients_of(module, batch, step)
    single = [
        gradients_of(module, batch, type(step)((architecture,), -1)) for architecture in step.subnetworks
    ]
    for name, gradient in together.items():
        parts = [part[name] for part in single if part[name] is not None]
        assert (gradient is None) == (not parts), name
        if parts:
            torch.testing.assert_close(gradient, sum(parts), atol=1e-5, rtol=1e-4)

    module.weight_decay = 0.5
    decayed = gradients_of(module, batch, step)
    used = used_elements(supernet, [step.subnetworks[1]])
    for name, parameter in supernet.named_parameters():
        if decayed[name] is None:
            assert not used[name].any()
            continue
        expected = together[name] + 0.5 * parameter.detach() * used[name]
        torch.testing.assert_close(decayed[name], expected, atol=1e-5, rtol=1e-4)


def checkpoint_after(directory: Path, cache: Path, config, steps: int) -> dict:
    train_supernet(config, directory, lambda _: None, cache=cache, stop_after_steps=steps)
    return torch.load(directory / "last.ckpt", weights_only=True)


@pytest.mark.parametrize("sandwich", [True, False])
@pytest.mark.parametrize("sharing", ["strategies.multi_head_sharing", "strategies.prefix_sharing"])
@pytest.mark.parametrize("options", [{}, {"distillation": True, "projection": True}])
def test_what_no_subnetwork_used_stays_bit_identical(tmp_path: Path, sandwich, sharing, options):
    """Weight and momentum, over a real step after momentum has built up."""
    config = project(sandwich=sandwich, sharing=sharing, **options)
    rule = load_module(sharing, (), "").SHARING
    before = checkpoint_after(tmp_path / "run", tmp_path / "cache", config, 4)
    after = checkpoint_after(tmp_path / "run", tmp_path / "cache", config, 5)
    step = draw(tiny.TABLE, hierarchical_sampling.SAMPLING, sandwich, 2, np.random.default_rng([0, 4]))
    prefix = "training_module._model."
    weights = {k.removeprefix(prefix): v for k, v in before["state_dict"].items()}
    used = used_elements(weights, list(step.subnetworks), rule)
    names = [name for name, _ in supernet_of(tiny.build, tiny.TABLE).named_parameters()]
    moments = [c["optimizer_states"][0]["state"] for c in (before, after)]
    idle = moved = 0
    for number, name in enumerate(names):
        now = after["state_dict"][prefix + name]
        still = ~used[name]
        idle += int(still.sum())
        assert torch.equal(now[still], weights[name][still]), name
        momentum = [m[number]["momentum_buffer"] for m in moments]
        assert torch.equal(momentum[0][still], momentum[1][still]), name
        moved += int((now != weights[name])[used[name]].sum())
    assert idle > 1000
    assert moved > 1000


def test_curves_are_reported_and_written(tmp_path: Path):
    reports: list[dict[str, float]] = []
    train_supernet(project(), tmp_path / "run", reports.append, cache=tmp_path / "cache")
    assert [set(r) for r in reports] == [{"default", "conv", "local", "axial", "step"}]
    assert reports[-1]["step"] == STEPS
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))
    assert (tmp_path / "run" / "complete.json").exists()


def test_space_and_architecture_speak_of_the_same_labels():
    for table, plugin in ((TABLE, small), (trionet.TABLE, trionet)):
        with torch.device("meta"):
            space = plugin.build(classes=10, channels=3, image_size=table.skeleton.image_size)
        labels = space.simplify()
        for architecture in random_architectures(table, 20):
            sample = architecture.to_sample()
            assert sample.keys() <= labels.keys()
            assert space.contains(sample)
            for label, value in sample.items():
                assert value in labels[label].values
    assert len(labels) == 172  # genes of the paper's space


def test_the_prefix_rule_is_another_supernet():
    architecture = random_architectures(TABLE, 30, seed=1)[-1]
    supernet = make_supernet()
    state = supernet.state_dict()
    mine = subnetwork_state(state, architecture, SHARING, 28)
    other = subnetwork_state(state, architecture, prefix_sharing.SHARING, 28)
    assert mine.keys() == other.keys()
