"""Weights from safetensors files that anybody may have written: the right ones, and finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from trionet_nni.errors import InputError, shown
from trionet_nni.files.text import reason

Kind = tuple[tuple[int, ...], torch.dtype]  # shape and type of a tensor


def read_weights(path: Path, allowed: str = "safetensors") -> dict[str, Tensor]:
    """All tensors of a file; nothing in it is executed.

    Args:
        allowed: what the file should be, for the message.

    Raises:
        InputError: it cannot be read, or is damaged.
    """
    try:
        return load_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}), allowed: {allowed}") from None
    except (SafetensorError, ValueError, RuntimeError, KeyError) as error:  # KeyError: a type torch lacks
        raise InputError(
            f"{path}: found no readable weights ({reason(error)}), allowed: {allowed}"
        ) from None


def kinds(module: nn.Module) -> dict[str, Kind]:
    """Shape and type of every tensor that a module needs."""
    return {name: (tuple(x.shape), x.dtype) for name, x in module.state_dict().items()}


def check_weights(path: Path, state: Mapping[str, Tensor], wanted: Mapping[str, Kind]) -> None:
    """Whether tensors are those of a network, with numbers it can compute with.

    Raises:
        InputError: naming the first that is not.
    """
    for name in sorted(state.keys() ^ wanted.keys()):
        found = f"no tensor {name}" if name in wanted else f"a tensor {shown(name)} too many"
        raise InputError(f"{path}: found another network's weights ({found}), allowed: this network's")
    for name, tensor in state.items():
        shape, dtype = wanted[name]
        if (tuple(tensor.shape), tensor.dtype) != wanted[name]:
            raise InputError(
                f"{path}: found another network's weights ({name}: {_shown(tensor.shape, tensor.dtype)}), "
                f"allowed: {_shown(shape, dtype)}"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: {name}: found NaN or infinity, allowed: finite numbers")


def _shown(shape: Sequence[int], dtype: torch.dtype) -> str:
    size = " × ".join(map(str, shape)) or "one number"
    return f"{size}, {str(dtype).removeprefix('torch.')}"
