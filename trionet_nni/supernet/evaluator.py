"""Scoring a sub-network with the supernet's weights: slice, recalibrate BN, measure (section 3.4)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import Splits, load_splits
from trionet_nni.data.scoring_images import ScoringImages, read_scoring_images
from trionet_nni.files.weights import check_weights, read_weights
from trionet_nni.network.trionet import TrioNet, network_from_state
from trionet_nni.settings.plugins import load_module, load_table
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.folder import WEIGHTS as WEIGHTS
from trionet_nni.supernet.results import Evaluation
from trionet_nni.supernet.slicing import subnetwork_state
from trionet_nni.supernet.stored import supernet_kinds
from trionet_nni.training.evaluate import scores
from trionet_nni.training.recalibrate import recalibrate

State = Mapping[str, Tensor]


class Evaluator:
    """Scores one candidate after the other; the supernet's weights and the images stay in memory.

    Args:
        supernet_directory: holds the trained supernet's weights.
        cache: folder of decoded images.
        device: a card where there is one, when None.
        images: a file of `data.scoring_images`, which is read in place of the data set.

    Raises:
        InputError: the data, a plug-in or the weights cannot be used.
    """

    def __init__(
        self,
        config: ProjectConfig,
        supernet_directory: Path,
        cache: Path,
        device: torch.device | None = None,
        images: Path | None = None,
    ) -> None:
        if images is None:
            found = ScoringImages.of(load_splits(config.data, cache))
        else:
            found = read_scoring_images(images)
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._config = config
        self._cost = CostModel(found.classes, found.search.store.channels, found.search.store.image_size)
        self._search, self._recalibration = found.search, found.recalibration
        weights = supernet_weights(supernet_directory, config, self._cost)
        self._state = {name: tensor.to(self.device) for name, tensor in weights.items()}

    @torch.inference_mode()
    def evaluate(self, architecture: Architecture) -> Evaluation:
        """Loss and accuracy of a sub-network on the search split, BN recalibrated (Eq. 3, section 3.4).

        Returns:
            Both, with what the network costs. `Evaluation.score` says which of two is the better one.
        """
        started = time.perf_counter()
        network = self.network(architecture)
        recalibrate(network, self._recalibration)
        found = scores(network, self._search)
        cost = self._cost(architecture)
        seconds = time.perf_counter() - started
        return Evaluation(
            architecture,
            found.accuracy,
            len(self._search),
            cost.flops,
            cost.params,
            seconds,
            loss=found.loss,
        )

    def network(self, architecture: Architecture) -> TrioNet:
        """A static network with weights cut out of the supernet's; its BN statistics mean nothing yet."""
        return _cut_out(self._config, self._state, architecture, self._cost)


def evaluate(
    config: ProjectConfig, supernet_directory: Path, architecture: Architecture, cache: Path
) -> Evaluation:
    """Measure one sub-network, loading everything for it; see `Evaluator`."""
    return Evaluator(config, supernet_directory, cache).evaluate(architecture)


def subnetwork(
    config: ProjectConfig, supernet_directory: Path, architecture: Architecture, splits: Splits
) -> TrioNet:
    """A static network with weights cut out of a supernet's; its BN statistics mean nothing yet.

    Raises:
        InputError: the weights cannot be read.
    """
    task = CostModel(splits.classes, splits.channels, splits.image_size)
    return _cut_out(config, supernet_weights(supernet_directory, config, task), architecture, task)


def supernet_weights(supernet_directory: Path, config: ProjectConfig, task: CostModel) -> dict[str, Tensor]:
    """A trained supernet's weights.

    Args:
        task: what the classes and images are.

    Raises:
        InputError: they are missing or damaged, or another supernet's.
    """
    path = supernet_directory / WEIGHTS
    state = read_weights(path, "a trained supernet's weights")
    assert task.image_size is not None
    wanted = supernet_kinds(load_table(config.space), task.classes, task.channels, task.image_size)
    check_weights(path, state, wanted)
    return state


def _cut_out(config: ProjectConfig, state: State, architecture: Architecture, task: CostModel) -> TrioNet:
    sharing = load_module(config.supernet.sharing, ("SHARING",), "supernet.sharing").SHARING
    assert task.image_size is not None
    weights = subnetwork_state(state, architecture, sharing, task.image_size)
    return network_from_state(architecture, weights, image_size=task.image_size)
