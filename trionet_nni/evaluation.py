"""Scoring a sub-network with the supernet's weights: slice, recalibrate BN, measure (section 3.4)."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from trionet_nni.architecture import Architecture
from trionet_nni.config import ProjectConfig
from trionet_nni.data import Splits, load_splits
from trionet_nni.flops import CostModel
from trionet_nni.network import TrioNet
from trionet_nni.plugins import load_module
from trionet_nni.results import Evaluation
from trionet_nni.training.evaluate import accuracy
from trionet_nni.training.recalibrate import recalibrate

WEIGHTS = "supernet.safetensors"


def evaluate(
    config: ProjectConfig, supernet_directory: Path, architecture: Architecture, cache: Path
) -> Evaluation:
    """Measure a sub-network on the search split, with BN statistics of the recalibration split.

    Args:
        supernet_directory: holds the trained supernet's weights.
        cache: folder of decoded images.

    Raises:
        InputError: the data or a plug-in cannot be used.
        OSError: the weights cannot be read.
    """
    started = time.perf_counter()
    splits = load_splits(config.data, cache)
    network = subnetwork(config, supernet_directory, architecture, splits)
    if torch.cuda.is_available():  # a trial with a card of its own
        network.cuda()
    recalibrate(network, splits.recalibration)
    score = accuracy(network, splits.search)
    cost = CostModel(splits.classes, splits.channels, splits.image_size)(architecture)
    seconds = time.perf_counter() - started
    return Evaluation(architecture, score, len(splits.search), cost.flops, cost.params, seconds)


def subnetwork(
    config: ProjectConfig, supernet_directory: Path, architecture: Architecture, splits: Splits
) -> TrioNet:
    """A static network with weights cut out of the supernet's; its BN statistics mean nothing yet."""
    from safetensors.torch import load_file

    sharing = load_module(config.supernet.sharing, ("SHARING",), "supernet.sharing").SHARING
    cut = load_module("strategies.slicing", ("subnetwork_state",), "strategies").subnetwork_state
    state = cut(load_file(supernet_directory / WEIGHTS), architecture, sharing, splits.image_size)
    network = TrioNet(
        architecture, classes=splits.classes, channels=splits.channels, image_size=splits.image_size
    )
    network.load_state_dict(state)
    return network
