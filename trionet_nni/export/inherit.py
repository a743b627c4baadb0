"""Weights of one network for another task: other classes, other channels, another image size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from trionet_nni.files.weights import check_weights, kinds, read_weights
from trionet_nni.network.trionet import TrioNet
from trionet_nni.operators.layers.axial_attention import AxialLayer
from trionet_nni.operators.layers.line_attention import centred

# What depends on the task: the parts by the beginnings of their tensors' names.
_STEM, _HEAD = "stem.0.", "classifier."


@dataclass(frozen=True)
class Inherited:
    """What became of the weights.

    Attributes:
        new: parts that were drawn anew, for a reader; empty where all were taken over.
        fitted: position tables that were fitted to another image size.
    """

    new: tuple[str, ...]
    fitted: int


def inherit(network: TrioNet, path: Path, *, same_classes: bool) -> Inherited:
    """Put a file's weights into a network of the same architecture for another task.

    A classifier of other classes keeps its initial weights, and so does a stem of other channels. Axial
    position tables are fitted as the network itself does for images of another size: a shorter one is the
    middle, a longer one an interpolation. All other tensors are taken over.

    Args:
        network: with initial weights.
        same_classes: whether the file's classifier is for the same classes in the same order.

    Raises:
        InputError: the file is missing or damaged, or another architecture's.
    """
    state, own = read_weights(path), network.state_dict()
    new = {
        "the classifier": [] if same_classes else _beginning(own, _HEAD),
        "the stem's convolution": _unfit(own, state, _STEM),
    }
    for name in (name for names in new.values() for name in names):
        state[name] = own[name]
    fitted = fit_tables(network, state)
    check_weights(path, state, kinds(network))
    network.load_state_dict(state)
    return Inherited(tuple(part for part, names in new.items() if names), fitted)


def _beginning(state: Mapping[str, Tensor], beginning: str) -> list[str]:
    return [name for name in state if name.startswith(beginning)]


def _unfit(own: Mapping[str, Tensor], state: Mapping[str, Tensor], beginning: str) -> list[str]:
    names = _beginning(own, beginning)
    return [name for name in names if name in state and state[name].shape != own[name].shape]


def fit_tables(network: TrioNet, state: dict[str, Tensor]) -> int:
    """Fit every axial table in `state` to the network's, as `inherit` says; how many had another length."""
    lengths = {
        f"{name}.table": layer.table.shape[1]
        for name, layer in network.named_modules()
        if isinstance(layer, AxialLayer)
    }
    unfit = [
        name
        for name, length in lengths.items()
        if name in state and state[name].dim() == 2 and state[name].shape[1] != length
    ]
    for name in unfit:
        state[name] = centred(state[name], (lengths[name] + 1) // 2).contiguous()
    return len(unfit)
