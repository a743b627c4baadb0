from __future__ import annotations

from itertools import product

import pytest
import torch

from spaces.options import AXIAL, LOCAL
from strategies.multi_head_sharing import SHARING as MHS
from strategies.multi_head_sharing import head_rows
from strategies.prefix_sharing import SHARING as PREFIX
from trionet_nni.network.trionet import ResidualBlock
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.local import Local
from trionet_nni.operators.place import Place
from trionet_nni.supernet.slicing import block_cuts, cut_index, cut_out, stored_name

AT = Place(input_width=64, output_width=64, size=6, stride=1)


@pytest.mark.parametrize(
    ("full", "heads", "sampled", "rows"),
    [
        (16, 4, 16, list(range(16))),
        (16, 8, 16, list(range(16))),
        (16, 4, 8, [0, 1, 4, 5, 8, 9, 12, 13]),
        (16, 8, 8, [0, 2, 4, 6, 8, 10, 12, 14]),
        (16, 4, 12, [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]),
    ],
)
def test_algorithm_1_selects_these_rows(full, heads, sampled, rows):
    assert head_rows(full, heads, sampled) == rows
    assert PREFIX.rows(full, heads, sampled) == list(range(sampled))


@pytest.mark.parametrize("rule", [MHS, PREFIX])
def test_rows_that_do_not_split_are_refused(rule):
    for full, heads, sampled in ((16, 8, 12), (15, 4, 8), (16, 4, 20), (16, 0, 8), (16, 4, 0)):
        with pytest.raises(ValueError, match="rows"):
            rule.rows(full, heads, sampled)


@pytest.mark.parametrize("rule", [MHS, PREFIX])
@pytest.mark.parametrize("dim", [0, 1])
def test_taking_is_selecting_the_rows(rule, dim):
    x = torch.randn(16, 16, 3)
    for heads, sampled in product((1, 2, 4, 8), (8, 16)):
        expected = x.index_select(dim, torch.tensor(rule.rows(16, heads, sampled)))
        assert torch.equal(rule.take(x, dim, heads, sampled), expected)


def with_other_heads_zeroed(block, rule):
    """The sliced operator, and the same heads at full width with unselected q, k, v rows at zero.

    Returns both operators and the positions of the sliced outputs among the full ones.
    """
    kind = type(block)
    column = {Local: LOCAL, Axial: AXIAL}[kind]
    stored_operator = column.stored.build(AT)
    stored = dict(stored_operator.named_parameters())
    widest = {**block.__dict__, "expansion": 0.5, "qk": 1.0, "v": 1.0}
    full_block = kind(**widest)
    sliced, full = block.build(AT), full_block.build(AT)
    cuts, all_cuts = block_cuts(block, AT, rule), block_cuts(full_block, AT, rule)
    with torch.no_grad():
        for name, parameter in sliced.named_parameters():
            parameter.copy_(cut_out(stored[name], cuts[f"operator.{name}"]))
        for name, parameter in full.named_parameters():
            whole = cut_out(stored[name], all_cuts[f"operator.{name}"])
            parameter.copy_(whole)
            if name.split(".")[-1] in "qkv":
                kept = torch.zeros(whole.shape, dtype=torch.bool)
                kept[cut_index(stored[name], cuts[f"operator.{name}"])] = True
                parameter[~kept] = 0
    outputs = rule.rows(32, block.heads, block.out(AT.output_width))
    return sliced, full, outputs


CANDIDATES = [block for column in (LOCAL, AXIAL) for block in column.blocks]


@pytest.mark.parametrize("block", CANDIDATES, ids=str)
def test_sliced_is_full_width_with_the_other_heads_zeroed(block):
    sliced, full, outputs = with_other_heads_zeroed(block, MHS)
    inner = block.inner(AT.output_width)
    x = torch.randn(2, 32, 6, 6)
    torch.testing.assert_close(sliced(x[:, :inner]), full(x)[:, outputs], atol=2e-5, rtol=1e-4)


def test_prefix_slicing_mixes_heads():
    narrow = [b for b in CANDIDATES if b.expansion * b.qk < 0.5 or b.expansion * b.v < 0.5]
    x = torch.randn(2, 32, 6, 6)
    for block in narrow:
        sliced, full, outputs = with_other_heads_zeroed(block, PREFIX)
        inner = block.inner(AT.output_width)
        assert (sliced(x[:, :inner]) - full(x)[:, outputs]).abs().max() > 1e-2, block


def test_a_cut_and_its_index_are_the_same_part():
    for block in CANDIDATES:
        whole = ResidualBlock({Local: LOCAL, Axial: AXIAL}[type(block)].stored, AT).state_dict()
        for rule in (MHS, PREFIX):
            for name, cut in block_cuts(block, AT, rule).items():
                stored = whole[name]
                assert torch.equal(cut_out(stored, cut), stored[cut_index(stored, cut)])


def test_names_of_operators_are_kept_apart():
    assert stored_name("operator.q", "local") == "operators.local.q"
    assert stored_name("bn_operator.bias", "conv") == "bn_operators.conv.bias"
    assert stored_name("bn_out.bias", "conv") == "bn_out.bias"
