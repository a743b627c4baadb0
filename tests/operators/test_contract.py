"""The contract of `operators.operator.Operator`, over every operator that the registry lists."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from spaces.declare import declares
from strategies.elastic import Chooser, ElasticBlock, elastic_blocks
from strategies.multi_head_sharing import SHARING as BY_HEAD
from strategies.prefix_sharing import SHARING as PREFIX
from strategies.usage import Usage
from tests.helpers.architectures import random_architectures
from tests.helpers.columns import column
from tests.helpers.elastic import supernet_of, used_elements
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import block_cost
from trionet_nni.architecture.table import OperatorChoices, SpaceTable
from trionet_nni.errors import InputError
from trionet_nni.export.load import load_weights
from trionet_nni.files.atomic import write_tensors
from trionet_nni.network.trionet import ResidualBlock, TrioNet
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.place import Place
from trionet_nni.operators.registry import OPERATORS, operator_kind
from trionet_nni.supernet.region_sgd import RegionSGD
from trionet_nni.supernet.slicing import block_cuts, cut_index, cut_shape, stored_name

PLACES = (Place(64, 64, 6, 1), Place(32, 64, 6, 2), Place(32, 64, 7, 2), Place(64, 64, 7, 1))
RULES = (BY_HEAD, PREFIX)
every_operator = pytest.mark.parametrize("name", OPERATORS)


def table(*names: str) -> SpaceTable:
    """A small space of these operators."""
    return SpaceTable("trionet-small", tuple(map(column, names)), ((1, 2), (1,), (1, 2)))


def elastic(name: str, at: Place, sharing=BY_HEAD) -> ElasticBlock:
    """A supernet's block that holds this operator beside all others."""
    torch.manual_seed(0)
    block = ElasticBlock(tuple(map(column, OPERATORS)), at, sharing, "stage1.block1", [])
    torch.nn.init.uniform_(block.bn_out.weight, 0.5, 1.5)  # γ = 0 would hide the operator
    return block


def sample(block: Operator) -> dict[str, object]:
    options = {f"stage1.block1.{block.operator}.{name}": value for name, value in block.options().items()}
    return {"stage1.block1.operator": block.operator, **options}


def mapped(at: Place, batch: int = 2) -> Tensor:
    return torch.randn(batch, at.input_width, at.size, at.size)


def test_contract_names_and_colours_are_each_used_once():
    import matplotlib.colors

    colours = [kind.colour for kind in OPERATORS.values()]
    assert len(set(colours)) == len(colours) and all(map(matplotlib.colors.is_color_like, colours))
    assert all(name == kind.operator and name.isidentifier() for name, kind in OPERATORS.items())


def test_contract_operators_are_known_without_torch():
    code = "import sys, trionet_nni.architecture.cost as c; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("wrong", ["fourier", "Conv", "", None, 3, ["conv"]])
def test_contract_what_is_not_listed_is_refused_by_name(wrong):
    with pytest.raises(InputError, match=r"operator: found .*, allowed: conv, local, axial"):
        operator_kind(wrong)
    with pytest.raises(InputError, match=r"stages\[0\]\[0\].operator: found .*, allowed: conv, local"):
        Architecture.from_dict({"space": "trionet-small", "stages": [[{"operator": wrong}]] * 3})
    with pytest.raises(InputError, match=r"operator: found .*, allowed: conv, local, axial"):
        OperatorChoices(wrong, ())


@every_operator
def test_contract_a_column_has_exactly_the_operators_options(name):
    with pytest.raises(InputError, match=f"options of '{name}': found .*, allowed: exactly"):
        OperatorChoices(name, (("expansion", (0.25,)), ("temperature", (1.0,))))


@every_operator
def test_contract_every_choice_has_the_three_forms_of_an_architecture(name):
    for network in random_architectures(table(name), 20):
        assert Architecture.from_json(network.to_json()) == network
        assert Architecture.from_sample(network.space, network.to_sample()) == network


@every_operator
def test_contract_options_out_of_range_are_refused(name):
    block = column(name).smallest
    for option in operator_kind(name).option_kinds():
        for wrong in (-1, 0, "2", None, True, float("nan")):
            data = {"operator": name, **block.options(), option: wrong}
            with pytest.raises(InputError, match=rf"stages\[0\]\[0\].{option}: found .*, allowed: "):
                Architecture.from_dict({"space": "trionet-small", "stages": [[data]] * 3})


@every_operator
@pytest.mark.parametrize("at", PLACES)
def test_contract_cost_is_what_torch_counts(name, at):
    for block in column(name).blocks:
        with torch.device("meta"):
            static, x = ResidualBlock(block, at).eval(), mapped(at, batch=1)
        with FlopCounterMode(display=False) as counter:
            static(x)
        found = block_cost(block, at)
        assert found.params == sum(p.numel() for p in static.parameters()), block
        assert found.flops == counter.get_total_flops(), block


@every_operator
@pytest.mark.parametrize("size", [(1, 1), (6, 6), (7, 5), (3, 11)])
@pytest.mark.parametrize("stride", [1, 2])
def test_contract_maps_of_any_size_and_shape(name, size, stride):
    at = Place(32, 64, 6, stride)
    for block in (column(name).smallest, column(name).largest):
        static = ResidualBlock(block, at)
        x = torch.randn(2, 32, *size, requires_grad=True)
        out = static(x)
        assert out.shape == (2, 64, -(-size[0] // stride), -(-size[1] // stride))
        out.sum().backward()
        assert x.grad is not None and torch.isfinite(x.grad).all()


@every_operator
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("at", PLACES[:2])
def test_contract_stored_tensors_hold_every_candidate(name, rule, at):
    stored = elastic(name, at, rule).state_dict()
    for block in column(name).blocks:
        with torch.device("meta"):
            own = ResidualBlock(block, at).state_dict()
        cuts = block_cuts(block, at, rule)
        assert cuts.keys() <= own.keys(), block  # a cut of a tensor that there is not
        for tensor, value in own.items():
            whole, cut = stored[stored_name(tensor, name)], cuts.get(tensor, ())
            assert cut_shape(whole.shape, cut) == tuple(value.shape), (block, tensor)
            if value.dim():
                reached = [int(index.max()) < full for index, full in _indices(whole, cut)]
                assert all(reached), (block, tensor)


def _indices(whole: Tensor, cut) -> Iterator[tuple[Tensor, int]]:
    return zip(cut_index(whole, cut), whole.shape, strict=False)


@every_operator
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("at", PLACES)
def test_contract_sliced_is_frozen(name, rule, at):
    shared, x = elastic(name, at, rule), mapped(at)
    for block in column(name).blocks:
        shared.resample(dict(sample(block)))
        frozen = shared.freeze(sample(block))
        for mode in (False, True):  # training moves the frozen block's statistics, not the supernet's
            torch.testing.assert_close(shared.train(mode)(x), frozen.train(mode)(x), atol=0, rtol=0)


@every_operator
@pytest.mark.parametrize("rule", ["strategies.multi_head_sharing", "strategies.prefix_sharing"])
def test_contract_idle_weights_stay_bit_identical(name, rule):
    space = table(*OPERATORS)
    supernet = supernet_of(declares(space), space, sharing=rule)
    sharing = next(elastic_blocks(supernet)).sharing
    choose, usage = Chooser(supernet), Usage(supernet)
    optimizer = RegionSGD(supernet.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    images = torch.randn(4, 1, 28, 28)
    for network in random_architectures(table(name), 4, seed=3):
        before = copy.deepcopy(supernet.state_dict())
        optimizer.zero_grad(set_to_none=True)
        choose(network)
        supernet(images).logsumexp(1).sum().backward()
        usage.add_decay(network, 1e-2)
        optimizer.regions = usage.regions()
        optimizer.step()
        after, used = supernet.state_dict(), used_elements(supernet, [network], sharing)
        changed = 0
        for key, tensor in after.items():
            same = tensor == before[key]
            assert same[~used[key]].all(), (network.to_json(), key)
            changed += int((~same).sum())
        assert changed > 0


@every_operator
def test_contract_bf16_runs_and_stays_near_float32(name):
    for at in PLACES[:2]:
        for block in (column(name).smallest, column(name).largest):
            torch.manual_seed(0)
            static, x = ResidualBlock(block, at), mapped(at)
            torch.nn.init.ones_(static.bn_out.weight)
            exact = static(x)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = static(x)
                rounded.float().sum().backward()
            assert (rounded.float() - exact).norm() < 0.05 * exact.norm(), block
            grads = [p.grad for p in static.parameters() if p.grad is not None]
            assert grads and all(torch.isfinite(grad).all() for grad in grads), block


@every_operator
def test_contract_channels_last_gives_the_same_numbers(name):
    at = PLACES[1]
    for block in (column(name).smallest, column(name).largest):
        static, x = ResidualBlock(block, at).eval(), mapped(at)
        torch.nn.init.ones_(static.bn_out.weight)
        last = copy.deepcopy(static).to(memory_format=torch.channels_last)
        other = last(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(other, static(x), atol=1e-5, rtol=1e-5)


@every_operator
def test_contract_weights_are_written_and_loaded_again(name, tmp_path: Path):
    network = random_architectures(table(name), 1)[0]
    trained, images = TrioNet(network, classes=5, channels=1, image_size=28), torch.randn(2, 1, 28, 28)
    file = tmp_path / "weights.safetensors"
    write_tensors(file, trained.state_dict())
    with torch.device("meta"):
        loaded = TrioNet(network, classes=5, channels=1, image_size=28)
    load_weights(loaded, file)
    torch.testing.assert_close(loaded.eval()(images), trained.eval()(images), atol=0, rtol=0)
