"""Blocks of every operator, exported and compiled: for any batch and size, and nothing is left behind."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.export import Dim

from tests.helpers.columns import column
from trionet_nni.network.trionet import ResidualBlock
from trionet_nni.operators.layers.line_attention import any_length, centred
from trionet_nni.operators.place import Place
from trionet_nni.operators.registry import OPERATORS

SIZES = ((2, 6, 6), (1, 7, 5), (3, 4, 11), (2, 13, 9))  # batch, height, width; tables reach 6 positions
OPEN = ({0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC},)
every_operator = pytest.mark.parametrize("name", OPERATORS)


def block(name: str, stride: int) -> tuple[ResidualBlock, list[Tensor]]:
    """The largest choice of an operator, in float64, and maps of several sizes."""
    torch.manual_seed(0)
    built = ResidualBlock(column(name).largest, Place(32, 64, 6, stride)).double().eval()
    torch.nn.init.ones_(built.bn_out.weight)  # γ = 0 would hide the operator
    return built, [torch.randn(batch, 32, *size, dtype=torch.float64) for batch, *size in SIZES]


@every_operator
@pytest.mark.parametrize("stride", [1, 2])
def test_an_exported_block_takes_any_batch_and_size(name: str, stride: int) -> None:
    built, maps = block(name, stride)
    expected = [built(x) for x in maps]
    exported = torch.export.export(built, (maps[0],), dynamic_shapes=OPEN).module()
    for x, wanted in zip(maps, expected, strict=True):
        torch.testing.assert_close(exported(x), wanted, atol=1e-12, rtol=1e-12)
    # Whatever the export has seen, a network built and run afterwards computes with tensors of its own.
    for x, wanted in zip(maps, expected, strict=True):
        after = built(x)
        assert type(after) is Tensor
        torch.testing.assert_close(after, wanted, atol=0, rtol=0)


@pytest.mark.slow
@every_operator
def test_a_block_is_compiled_as_one_graph(name: str) -> None:
    torch.compiler.reset()  # the operators share code, and the number of versions of one is limited
    built, maps = block(name, 2)
    compiled = torch.compile(built, fullgraph=True, dynamic=True, backend="aot_eager")
    for x in maps:
        torch.testing.assert_close(compiled(x), built(x), atol=1e-12, rtol=1e-12)
        assert type(built(x)) is Tensor


@every_operator
def test_a_traced_block_computes_what_it_was_traced_from(name: str) -> None:
    built, (x, *_) = block(name, 1)
    traced = torch.jit.trace(built, x, check_trace=False)
    torch.testing.assert_close(traced(x + 1), built(x + 1), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("reach", [1, 2, 4, 7])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 20])
def test_a_table_for_any_length_is_the_fitted_one(reach: int, length: int) -> None:
    table = torch.randn(3, 2 * reach - 1, dtype=torch.float64)
    own = centred(table, length)
    position = torch.arange(length)
    expected = own[:, position[None] - position[:, None] + length - 1]
    torch.testing.assert_close(any_length(table, length), expected, atol=1e-14, rtol=0)
