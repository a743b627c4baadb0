"""Gradients that slices collect in place are those of plain autograd; the optimizer moves what was used."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn
from torch.func import functional_call

from spaces import small
from strategies.elastic import Chooser, elastic_blocks
from strategies.one_shot import train_supernet
from strategies.usage import Usage
from tests.helpers.architectures import random_architectures
from tests.helpers.averaging_process import CUTS, average, gradient
from tests.helpers.elastic import make_supernet, used_elements
from tests.helpers.supernets import project
from trionet_nni.network.trionet import ResidualBlock
from trionet_nni.supernet.region_sgd import RegionSGD
from trionet_nni.supernet.regions import region
from trionet_nni.supernet.slicing import block_cuts, cut_index, cut_out, stored_name
from trionet_nni.training.recipe import precision

RULES = ["strategies.multi_head_sharing", "strategies.prefix_sharing"]


def sliced_by_autograd(block, x: Tensor) -> Tensor:
    """A block's forward pass on plain slices of its parameters: what `Frame` replaces."""
    with torch.device("meta"):
        static = ResidualBlock(block.block, block.place)
    for module in static.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats = False
    cuts = block_cuts(block.block, block.place, block.sharing)
    stored = dict(block.named_parameters()) | dict(block.named_buffers())
    tensors = {
        name: cut_out(stored[stored_name(name, block.block.operator)], cuts.get(name, ()))
        for name in static.state_dict()
    }
    return functional_call(static, tensors, (x,))


def gradients(supernet: nn.Module) -> dict[str, Tensor | None]:
    return {n: None if p.grad is None else p.grad.clone() for n, p in supernet.named_parameters()}


@pytest.mark.parametrize("sharing", RULES)
def test_gradients_are_those_of_plain_autograd_slicing(sharing, monkeypatch):
    """Steps of several passes: what one step leaves in the buffers must not reach the next."""
    supernet = make_supernet(sharing).double()
    supernet.dropout.p = 0.0
    choose = Chooser(supernet)
    images = torch.randn(2, 1, 28, 28, dtype=torch.float64)
    networks = random_architectures(small.TABLE, 12, seed=4)
    for step in (networks[:1], networks[1:4], networks[4:5], networks[5:9], networks[9:]):
        found = []
        for plain in (False, True):
            with monkeypatch.context() as patch:
                if plain:
                    patch.setattr(type(next(elastic_blocks(supernet))), "forward", sliced_by_autograd)
                supernet.zero_grad(set_to_none=True)
                for network in step:
                    choose(network)
                    supernet(images).logsumexp(1).sum().backward()
                found.append(gradients(supernet))
        for name, expected in found[1].items():
            assert (found[0][name] is None) == (expected is None), name
            if expected is not None:
                torch.testing.assert_close(found[0][name], expected, atol=1e-12, rtol=1e-9, msg=name)


def test_buffers_are_kept_and_hold_zeros_where_nothing_was_used():
    supernet = make_supernet()
    choose, images = Chooser(supernet), torch.randn(2, 1, 28, 28)
    places: dict[str, int] = {}
    for network in random_architectures(small.TABLE, 8, seed=1):
        supernet.zero_grad(set_to_none=True)
        choose(network)
        supernet(images).logsumexp(1).sum().backward()
        used = used_elements(supernet, [network])
        for name, parameter in supernet.named_parameters():
            if not name.startswith("stages."):
                continue
            assert (parameter.grad is None) == (not used[name].any()), name
            if parameter.grad is not None:
                assert parameter.grad[~used[name]].count_nonzero() == 0, name
                assert places.setdefault(name, parameter.grad.data_ptr()) == parameter.grad.data_ptr()


def one_pass(supernet, network) -> dict[str, Tensor | None]:
    Chooser(supernet)(network)
    supernet.zero_grad(set_to_none=True)
    torch.manual_seed(3)
    supernet(torch.ones(2, 1, 28, 28).uniform_()).logsumexp(1).sum().backward()
    return gradients(supernet)


def same(one: dict[str, Tensor | None], other: dict[str, Tensor | None]) -> bool:
    return all((g is None and other[n] is None) or torch.equal(g, other[n]) for n, g in one.items())


def test_copies_and_moved_supernets_have_gradients_of_their_own():
    supernet = make_supernet()
    network = random_architectures(small.TABLE, 1, seed=7)[0]
    expected = one_pass(supernet, network)
    twin = copy.deepcopy(supernet)
    assert same(one_pass(twin, network), expected)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(2)
    assert not same(one_pass(twin, network), expected)
    assert same(one_pass(supernet, network), expected)
    assert same(one_pass(supernet.double().float(), network), expected)  # other storage


def test_a_supernet_that_was_evaluated_first_can_be_trained():
    supernet, network = make_supernet(), random_architectures(small.TABLE, 1, seed=7)[0]
    expected = one_pass(make_supernet(), network)
    Chooser(supernet)(network)
    with torch.inference_mode():
        supernet(torch.randn(2, 1, 28, 28))
    assert all(p.grad is None for p in supernet.parameters())
    assert same(one_pass(supernet, network), expected)


def test_gradients_set_by_others_are_added_to():
    supernet, network = make_supernet(), random_architectures(small.TABLE, 1, seed=7)[0]
    expected = one_pass(supernet, network)
    Chooser(supernet)(network)
    supernet.zero_grad(set_to_none=False)
    for parameter in supernet.parameters():
        if parameter.grad is not None:
            parameter.grad = torch.ones_like(parameter)
    torch.manual_seed(3)
    supernet(torch.ones(2, 1, 28, 28).uniform_()).logsumexp(1).sum().backward()
    for name, found in gradients(supernet).items():
        if found is not None:
            torch.testing.assert_close(found, expected[name] + 1, atol=1e-5, rtol=1e-4)
    assert same(one_pass(supernet, network), expected)  # nothing of the ones is left


@pytest.mark.parametrize("sharing", RULES)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_optimizer_is_sgd_on_the_used_elements(sharing, momentum, layout):
    """Against SGD written out, element by element, in float64."""
    supernet = make_supernet(sharing).double().to(memory_format=layout)
    choose, usage = Chooser(supernet), Usage(supernet)
    rule = next(elastic_blocks(supernet)).sharing
    sgd = RegionSGD(supernet.parameters(), lr=0.1, momentum=momentum, nesterov=momentum > 0, fused=True)
    weights = {n: p.detach().clone() for n, p in supernet.named_parameters()}
    moments = {n: torch.zeros_like(w) for n, w in weights.items()}
    images = torch.randn(2, 1, 28, 28, dtype=torch.float64)
    networks = random_architectures(small.TABLE, 9, seed=6)
    for step in (networks[:3], networks[3:4], networks[4:6], networks[6:]):
        supernet.zero_grad(set_to_none=True)
        for network in step:
            choose(network)
            supernet(images).logsumexp(1).sum().backward()
        used = used_elements(supernet, step, rule)
        before = {name: p.detach().clone() for name, p in supernet.named_parameters()}
        sgd.regions = usage.regions()
        sgd.step()
        for name, parameter in supernet.named_parameters():
            if parameter.grad is None:
                assert torch.equal(parameter, before[name])
                continue
            moment = momentum * moments[name] + parameter.grad
            moments[name] = torch.where(used[name], moment, moments[name])
            move = parameter.grad + momentum * moment if momentum else parameter.grad
            weights[name] = torch.where(used[name], weights[name] - 0.1 * move, weights[name])
            assert torch.equal(parameter[~used[name]], before[name][~used[name]]), name
            torch.testing.assert_close(parameter.detach(), weights[name], atol=1e-12, rtol=1e-9)


def test_a_region_is_the_union_of_its_cuts():
    supernet = make_supernet()
    block = next(elastic_blocks(supernet))
    networks = random_architectures(small.TABLE, 40, seed=2)
    names = {p: n for n, p in supernet.named_parameters()}
    for seed in range(10):
        torch.manual_seed(seed)
        chosen = [networks[i] for i in torch.randint(len(networks), (3,)).tolist()]
        used = used_elements(supernet, chosen)
        cuts: dict[nn.Parameter, set] = {}
        for network in chosen:
            for shared, cut in block.parts(dict(network.blocks())[block.label]):
                cuts.setdefault(shared.parameter, set()).add(cut)
        for parameter, several in cuts.items():
            part = region(tuple(parameter.shape), frozenset(several))
            target = torch.zeros(parameter.shape)
            values = part.read(target)
            part.write(target, values.add_(1))
            assert torch.equal(target > 0, used[names[parameter]])


def test_training_in_bf16_keeps_weights_and_gradients_in_float32(tmp_path: Path):
    config = project()
    recipe = config.supernet.recipe.model_copy(update={"precision": "bf16-mixed"})
    assert precision(recipe) == "bf16-mixed"
    supernet = config.supernet.model_copy(update={"recipe": recipe})
    config = config.model_copy(update={"supernet": supernet})
    train_supernet(config, tmp_path, lambda _: None, cache=tmp_path / "cache", stop_after_steps=3)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    moments = [entry["momentum_buffer"] for entry in state["optimizer_states"][0]["state"].values()]
    tensors = [t for t in [*state["state_dict"].values(), *moments] if t.is_floating_point()]
    assert all(t.dtype == torch.float32 and bool(t.isfinite().all()) for t in tensors)


def test_automatic_precision_does_not_rename_a_supernet():
    config = project()
    named = config.supernet.recipe.model_copy(update={"precision": "bf16-mixed"})
    other = config.model_copy(update={"supernet": config.supernet.model_copy(update={"recipe": named})})
    assert "precision" not in config.supernet.recipe.identity()
    assert config.supernet_hash() != other.supernet_hash()


@pytest.mark.parametrize("bucket", [1, 400, 25_000_000], ids=["each alone", "some", "all"])
def test_processes_share_the_mean_of_what_was_used(tmp_path: Path, bucket: int):
    arguments = (f"file://{tmp_path}/rendezvous", f"{tmp_path}/rank", bucket)
    multiprocessing.spawn(average, arguments, nprocs=2)
    results = [torch.load(tmp_path / f"rank{rank}", weights_only=True) for rank in range(2)]
    for name, cuts in CUTS.items():
        used = torch.zeros(8, 8, dtype=torch.bool)
        for cut in cuts:
            used[cut_index(used, cut)] = True
        for rank, result in enumerate(results):
            mean = (gradient(0, name) + gradient(1, name)) / 2
            expected = torch.where(used, mean, gradient(rank, name))
            assert torch.equal(result[name], expected), name
