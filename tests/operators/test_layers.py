from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from trionet_nni.operators.layers.axial_attention import AxialAttention
from trionet_nni.operators.layers.line_attention import fitted, line_attention
from trionet_nni.operators.layers.local_attention import LocalAttention, local_attention


@pytest.mark.parametrize("axis", [2, 3])
def test_axial_attention_is_attention_along_one_line(axis):
    q, k, v = torch.randn(2, 8, 5, 7), torch.randn(2, 8, 5, 7), torch.randn(2, 12, 5, 7)
    table = torch.randn(2, 2 * 9 - 1)  # reaches further than the map: the centre is used
    out = line_attention(q, k, v, table, heads=4, axis=axis)
    expected = torch.empty_like(out)
    length = q.shape[axis]
    for image in range(2):
        for head in range(4):
            for line in range(q.shape[5 - axis]):
                cut = (slice(None), line) if axis == 3 else (..., line)
                q_, k_, v_ = (x[image].reshape(4, -1, 5, 7)[head][cut].T for x in (q, k, v))  # [L, d]
                logits = q_ @ k_.T
                for o in range(length):
                    for p in range(length):
                        logits[o, p] += q_[o] @ table[:, p - o + 8]
                part = (logits.softmax(-1) @ v_).T
                expected[image].reshape(4, -1, 5, 7)[head][cut] = part
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("reach", "length"), [(6, 7), (6, 11), (56, 128)])
def test_beyond_the_table_offsets_are_interpolated_between_the_same_ends(reach, length):
    table = torch.randn(3, 2 * reach - 1, dtype=torch.float64)
    longer = fitted(table, length)
    assert longer.shape == (3, 2 * length - 1)
    torch.testing.assert_close(longer[:, [0, length - 1, -1]], table[:, [0, reach - 1, -1]])
    places = torch.arange(1 - length, length, dtype=torch.float64) * (reach - 1) / (length - 1) + reach - 1
    below = places.floor().clamp(max=2 * reach - 3).long()
    share = places - below
    torch.testing.assert_close(longer, table[:, below] * (1 - share) + table[:, below + 1] * share)
    assert fitted(table, reach) is table and fitted(table, reach - 1) is table


def test_a_line_beyond_the_table_equals_one_with_the_interpolated_table():
    layer, longer = AxialAttention(8, 8, 8, 4, length=6), AxialAttention(8, 8, 8, 4, length=9)
    state = layer.state_dict()
    longer.load_state_dict(
        {name: fitted(value, 9) if "table" in name else value for name, value in state.items()}
    )
    x = torch.randn(1, 8, 9, 9)
    torch.testing.assert_close(layer(x), longer(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_operators_stand_alone(dtype):
    x = torch.randn(2, 16, 12, 12, dtype=dtype).to(memory_format=torch.channels_last)
    for layer in (LocalAttention(16, 8, 16, 4, 5), AxialAttention(16, 8, 16, 4, 12)):
        layer = layer.to(dtype)
        out = layer(x)
        out.float().square().mean().backward()
        assert out.shape == x.shape
        assert out.dtype == dtype
        assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def test_a_window_as_large_as_the_map_sees_all_of_it():
    """With masking, a 7 × 7 window around the centre of a 7 × 7 map is plain attention over the map."""
    q, k, v = (torch.randn(1, 4, 7, 7) for _ in range(3))
    zero = torch.zeros(4, 7)
    out = local_attention(q, k, v, zero, zero, 1, border="mask")
    flat = [x.flatten(2).transpose(1, 2) for x in (q, k, v)]
    expected = F.scaled_dot_product_attention(*flat, scale=1.0)
    torch.testing.assert_close(out[..., 3, 3], expected[:, 24], atol=1e-5, rtol=1e-5)


def test_a_measurement_does_not_spoil_a_later_training_step():
    layer = AxialAttention(8, 8, 8, 4, length=5)
    x = torch.randn(1, 8, 5, 5)
    with torch.inference_mode():
        layer(x)
    layer(x).sum().backward()
