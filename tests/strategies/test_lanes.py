from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from spaces import small
from strategies.lanes import divided
from strategies.one_shot import SupernetTask, TrioNetOneShot, train_supernet
from strategies.sandwich_module import SandwichModule
from tests.helpers.elastic import make_supernet
from tests.helpers.supernets import project
from trionet_nni.architecture.cost import architecture_cost

BATCH = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(4)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def config(steps: int = 8, dropout: float = 0.0, **supernet):
    made = project(steps, **supernet)
    recipe = made.supernet.recipe.model_copy(update={"dropout": dropout})
    return made.model_copy(update={"supernet": made.supernet.model_copy(update={"recipe": recipe})})


def module_of(**supernet) -> SandwichModule:
    settings = config(**supernet).supernet
    task = SupernetTask(settings.recipe, 10)
    supernet = make_supernet()
    supernet.dropout.p = 0.0
    task.set_model(supernet)
    module = TrioNetOneShot(settings, small.TABLE).configure_oneshot_module(task)
    module.manual_backward = lambda loss: loss.backward()
    return module


@pytest.mark.parametrize("sandwich", [True, False])
def test_two_lanes_give_the_losses_gradients_and_used_parts_of_one(two_threads, sandwich):
    """Also in the steps after the first, whose gradients lie in the buffers of the step before.

    In float64: BN over four images magnifies what rounding leaves.
    """
    two, one = module_of(sandwich=sandwich).double(), module_of(sandwich=sandwich).double()
    batch = BATCH[0].double(), BATCH[1]
    one.lanes = 1
    for number in range(4):
        step = two.draw(number)
        found = []
        for module in (two, one):
            module.zero_grad(set_to_none=True)
            found.append(module.accumulate(batch, step))
        torch.testing.assert_close(*found)
        assert torch.get_num_threads() == 2
        regions = [
            {name: module.usage.regions().get(p) for name, p in module.model.named_parameters()}
            for module in (two, one)
        ]
        for (name, mine), theirs in zip(regions[0].items(), regions[1].values(), strict=True):
            assert (mine and set(mine.cuts)) == (theirs and set(theirs.cuts)), name
        for (name, p), other in zip(two.model.named_parameters(), one.model.parameters(), strict=True):
            assert (p.grad is None) == (other.grad is None), name
            if p.grad is not None:
                torch.testing.assert_close(p.grad, other.grad)


def test_the_second_lane_works(two_threads):
    module = module_of()
    module.zero_grad(set_to_none=True)
    module.accumulate(BATCH, module.draw(0))
    second = module._second[0].supernet
    assert any(p.grad is not None for p in second.parameters())
    assert all(
        mine.data_ptr() == its.data_ptr()
        for mine, its in zip(module.model.parameters(), second.parameters(), strict=True)
    )
    assert not set(map(id, module.parameters())) & set(map(id, second.parameters()))


def test_every_subnetwork_is_in_one_lane_and_the_lanes_are_balanced():
    module = module_of()
    for number in range(30):
        subnetworks = module.draw(number).subnetworks
        lanes = divided(subnetworks)
        assert sorted(lanes[0] + lanes[1]) == list(range(len(subnetworks)))
        flops = [architecture_cost(a).flops for a in subnetworks]
        loads = [sum(flops[i] for i in lane) for lane in lanes]
        assert max(loads) <= max(max(flops), 2 / 3 * sum(flops))


def test_passes_that_draw_random_numbers_keep_to_one_lane():
    for dropout, lanes in ((0.0, 2), (0.1, 1)):
        assert module_of(dropout=dropout).lanes == lanes


def test_a_stopped_training_goes_on_to_the_same_bits(two_threads, tmp_path: Path):
    settings, cache = config(), tmp_path / "cache"
    for directory, stops in ((tmp_path / "whole", [None]), (tmp_path / "stopped", [3, None])):
        for stop in stops:
            train_supernet(settings, directory, lambda _: None, cache=cache, stop_after_steps=stop)
    weights = [(tmp_path / name / "supernet.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert weights[0] == weights[1]
