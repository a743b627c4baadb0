"""Writing a network for another runtime. Every file is whole or not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from trionet_nni.export.deploy.about import IMAGE, LOGITS, about
from trionet_nni.export.exported import ExportedNetwork
from trionet_nni.files.atomic import replacing, write_tensors

Write = Callable[[ExportedNetwork, Path, bool], None]


def write_onnx(network: ExportedNetwork, path: Path, dynamic_size: bool) -> None:
    """An ONNX model by torch's exporter, with `about` as its metadata.

    Input `image`, float32 [B, C, S, S], normalized; output `logits`, float32 [B, classes]; B is open.

    Args:
        dynamic_size: height and width are open, too.
    """
    save_onnx(network, _example(network), path, dynamic_size=dynamic_size, metadata=about(network))


def save_onnx(
    network: nn.Module,
    example: Tensor,
    path: Path,
    *,
    dynamic_size: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """See `write_onnx`, which does it for an exported network.

    Args:
        example: images of the right size, at least two of them: a batch of 1 would be taken as fixed.
    """
    program = torch.onnx.export(
        network,
        (example,),
        input_names=[IMAGE],
        output_names=[LOGITS],
        dynamic_shapes=_open(dynamic_size),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(metadata or {})
    with replacing(path) as temporary:
        program.save(str(temporary), external_data=False)


def write_pt2(network: ExportedNetwork, path: Path, dynamic_size: bool) -> None:
    """A `torch.export` program; `torch.export.load(path, extra_files=…)` gives it and its metadata back."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.export.save(exported(network, dynamic_size), file, extra_files=about(network))


def write_safetensors(network: ExportedNetwork, path: Path, dynamic_size: bool) -> None:
    """The weights alone, with the metadata; `dynamic_size` makes no difference."""
    write_tensors(path, network.state_dict(), metadata=about(network))


def exported(network: ExportedNetwork, dynamic_size: bool) -> ExportedProgram:
    """The network as one graph, of open batch and, if so wanted, of open height and width."""
    return torch.export.export(network, (_example(network),), dynamic_shapes=_open(dynamic_size))


FORMATS: dict[str, Write] = {"onnx": write_onnx, "pt2": write_pt2, "safetensors": write_safetensors}


def _example(network: ExportedNetwork) -> Tensor:
    see = network.preprocess
    return torch.zeros(2, see.channels, see.image_size, see.image_size)


def _open(dynamic_size: bool) -> Any:
    dimensions = (0, 2, 3) if dynamic_size else (0,)
    return ({number: Dim.DYNAMIC for number in dimensions},)
