"""What a trained supernet stores, without building it: names, shapes and types of its tensors."""

from __future__ import annotations

import torch

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import OperatorChoices, SpaceTable
from trionet_nni.files.weights import Kind, kinds
from trionet_nni.network.trionet import TrioNet
from trionet_nni.supernet.slicing import stored_name


def supernet_kinds(table: SpaceTable, classes: int, channels: int, image_size: int) -> dict[str, Kind]:
    """Shape and type of every tensor of the supernet of a space.

    Of each operator it holds the tensors of the largest network; what operators share is as large as the
    largest of them needs.
    """
    stored: dict[str, Kind] = {}
    for choices in table.operators:
        with torch.device("meta"):
            network = TrioNet(
                _largest(table, choices), classes=classes, channels=channels, image_size=image_size
            )
        for name, (shape, dtype) in kinds(network).items():
            name = _name(name, choices.operator)
            known = stored.get(name, (shape, dtype))[0]
            stored[name] = tuple(map(max, known, shape)), dtype
    return stored


def _largest(table: SpaceTable, choices: OperatorChoices) -> Architecture:
    return Architecture(table.space, tuple((choices.stored,) * max(depths) for depths in table.depths))


def _name(name: str, operator: str) -> str:
    """`stages.1.0.operator.q` of a static network is `stages.1.blocks.0.operators.local.q` there."""
    if not name.startswith("stages."):
        return name
    _, stage, block, rest = name.split(".", 3)
    return f"stages.{stage}.blocks.{block}.{stored_name(rest, operator)}"
