"""Options beyond the paper that tell the largest sub-network of a step from the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from spaces import small
from strategies.one_shot import SupernetTask, TrioNetOneShot
from strategies.projection import copied, make_way
from strategies.sandwich import Step
from strategies.sandwich_module import SandwichModule
from tests.helpers.elastic import make_supernet
from tests.helpers.supernets import project
from trionet_nni.settings.project import ProjectConfig

OPTIONS = [
    dict(zip(("distillation", "projection"), on, strict=True))
    for on in itertools.product([False, True], repeat=2)
]
ON = OPTIONS[1:]
BATCH = (
    torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)).double(),
    torch.arange(4),
)
Gradients = dict[str, Tensor | None]


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def module_of(**supernet: bool) -> SandwichModule:
    """In float64: BN over four images magnifies what rounding leaves. Without dropout and decay."""
    settings = project(**supernet).supernet
    task = SupernetTask(settings.recipe, 10)
    task.set_model(make_supernet())
    task._model.dropout.p = 0.0
    module = TrioNetOneShot(settings, small.TABLE).configure_oneshot_module(task)
    module.manual_backward = lambda loss: loss.backward()
    module.weight_decay = 0.0
    return module.double()


def gradients_of(module: SandwichModule, batch: tuple[Tensor, Tensor], step: Step) -> Gradients:
    module.zero_grad(set_to_none=True)
    module.accumulate(batch, step)
    return {name: None if p.grad is None else p.grad.clone() for name, p in module.model.named_parameters()}


def one(step: Step, index: int) -> Step:
    return Step((step.subnetworks[index],), 0)


def others(step: Step) -> list[int]:
    return [index for index in range(len(step.subnetworks)) if index != step.decayed]


def summed(parts: list[Gradients]) -> Gradients:
    found: Gradients = {}
    for name in parts[0]:
        terms = [part[name] for part in parts if part[name] is not None]
        found[name] = sum(terms) if terms else None
    return found


def probabilities(module: SandwichModule, step: Step) -> Tensor:
    module.choose(step.subnetworks[step.decayed])
    with torch.no_grad():
        return module.model(BATCH[0]).softmax(1)


@pytest.mark.parametrize("sandwich", [True, False])
def test_without_options_a_step_is_what_it_was_to_the_bit(sandwich: bool) -> None:
    module = module_of(sandwich=sandwich)
    step = module.draw(0)
    found = gradients_of(module, BATCH, step)
    module.zero_grad(set_to_none=True)
    for architecture in step.subnetworks:
        module.choose(architecture)
        cross_entropy(module.model(BATCH[0]), BATCH[1], label_smoothing=0.1).backward()
    for name, parameter in module.model.named_parameters():
        assert (parameter.grad is None) == (found[name] is None), name
        assert parameter.grad is None or torch.equal(parameter.grad, found[name]), name


@pytest.mark.parametrize("sandwich", [True, False])
def test_the_largest_learns_the_labels_and_the_others_what_it_says(sandwich: bool) -> None:
    """Their loss against a constant teacher is −Σ p log q, without labels and without smoothing."""
    module, plain = module_of(distillation=True, sandwich=sandwich), module_of(sandwich=sandwich)
    step = module.draw(1)
    taught = BATCH[0], probabilities(plain, step)
    expected = [gradients_of(plain, BATCH, one(step, step.decayed))]
    for index in others(step):
        plain.zero_grad(set_to_none=True)
        plain.choose(step.subnetworks[index])
        (-(taught[1] * plain.model(taught[0]).log_softmax(1)).sum(1).mean()).backward()
        expected.append(
            {n: None if p.grad is None else p.grad.clone() for n, p in plain.model.named_parameters()}
        )
    found = gradients_of(module, BATCH, step)
    for name, gradient in summed(expected).items():
        assert (gradient is None) == (found[name] is None), name
        if gradient is not None:
            torch.testing.assert_close(found[name], gradient, msg=name)
    shuffled = BATCH[0], BATCH[1].flip(0)  # labels reach the others through their teacher alone
    again = summed([gradients_of(module, batch, step) for batch in (BATCH, shuffled)])
    alone = summed([gradients_of(plain, batch, one(step, step.decayed)) for batch in (BATCH, shuffled)])
    for name in found:
        if found[name] is not None and alone[name] is not None:
            twice = sum(part[name] for part in expected[1:] if part[name] is not None) * 2
            torch.testing.assert_close(again[name] - alone[name], twice + torch.zeros_like(found[name]))


def test_losses_come_in_the_order_of_the_subnetworks() -> None:
    for options in ON:
        module, plain = module_of(**options), module_of()
        step = module.draw(2)
        module.zero_grad(set_to_none=True)
        found = module.accumulate(BATCH, step)
        labels = probabilities(plain, step) if options["distillation"] else BATCH[1]
        for index in range(len(found)):
            plain.choose(step.subnetworks[index])
            with torch.no_grad():
                target = BATCH[1] if index == step.decayed else labels
                smoothing = 0.0 if target.is_floating_point() else 0.1
                loss = cross_entropy(plain.model(BATCH[0]), target, label_smoothing=smoothing)
            torch.testing.assert_close(found[index], loss)


@pytest.mark.parametrize("sandwich", [True, False])
def test_a_conflict_is_taken_out_of_the_largest_s_gradient(sandwich: bool) -> None:
    module, plain = module_of(projection=True, sandwich=sandwich), module_of(sandwich=sandwich)
    conflicts = 0
    for number in range(2):
        step = module.draw(number)
        found = gradients_of(module, BATCH, step)
        largest = gradients_of(plain, BATCH, one(step, step.decayed))
        rest = summed([gradients_of(plain, BATCH, one(step, index)) for index in others(step)])
        for name, g in found.items():
            g_L, g_O = largest[name], rest[name]
            if g is None:
                assert g_L is None and g_O is None
            elif g_L is None or g_O is None:
                torch.testing.assert_close(g, g_L if g_O is None else g_O)
            else:
                inner, square = (g_L * g_O).sum(), g_O.square().sum()
                conflicts += int(inner < 0)
                torch.testing.assert_close(g, g_O + g_L - min(0.0, inner / square) * g_O, msg=name)
    assert conflicts > 10


vectors = st.lists(
    st.tuples(*[st.floats(-100, 100, allow_subnormal=False)] * 2), min_size=1, max_size=8
).map(lambda rows: torch.tensor(rows, dtype=torch.float64))


@given(vectors)
def test_what_is_left_of_the_largest_s_gradient_is_not_against_the_others_(rows: Tensor) -> None:
    first, rest = rows[:, 0], rows[:, 1]
    parameter = nn.Parameter(torch.zeros_like(first))
    parameter.grad = first.clone()
    kept = copied([parameter, nn.Parameter(torch.zeros(2))])
    total = parameter.grad.add_(rest)
    before = total.clone()
    make_way(kept)
    assert parameter.grad is total  # in place: leaves of the supernet are views of it
    left = total - rest
    scale = float(first.norm() * rest.norm())
    assert float(left @ rest) >= -1e-9 * (1 + scale)
    assert float(left.norm()) <= float(first.norm()) + 1e-9 * (1 + float(before.norm()))
    if float(first @ rest) >= 1e-9 * scale:
        assert torch.equal(total, before)


@pytest.mark.parametrize("options", ON)
def test_two_lanes_give_what_one_gives(two_threads: None, options: dict[str, bool]) -> None:
    two, single = module_of(**options), module_of(**options)
    two.lanes, single.lanes = 2, 1
    for number in range(2):
        step = two.draw(number)
        mine, theirs = gradients_of(two, BATCH, step), gradients_of(single, BATCH, step)
        for name in mine:
            assert (mine[name] is None) == (theirs[name] is None), name
            if mine[name] is not None:
                torch.testing.assert_close(mine[name], theirs[name], msg=name)
    assert two._second


def test_options_name_another_supernet_and_nothing_else_does() -> None:
    """The names that supernets have had since 0.1.0."""
    config = ProjectConfig(space="spaces.tiny", search={"max_flops": 2e7})
    names = set()
    for options in OPTIONS:
        supernet = config.supernet.model_copy(update=options)
        names.add(config.model_copy(update={"supernet": supernet}).supernet_hash())
    assert len(names) == len(OPTIONS)
    assert config.supernet_hash() == "36c52baf02a4f1eb"
