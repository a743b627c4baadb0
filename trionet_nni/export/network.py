"""One network cut out of a supernet, as a folder that stands on its own."""

from __future__ import annotations

from pathlib import Path

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.data import Splits
from trionet_nni.export.card import Finalist, Measured, make_card
from trionet_nni.export.card_text import write_card
from trionet_nni.export.folder import write_folder
from trionet_nni.export.record import kept
from trionet_nni.export.settings import RetrainConfig
from trionet_nni.files.atomic import write_tensors
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.evaluator import subnetwork
from trionet_nni.training.recalibrate import recalibrate


def write_network(
    folder: Path,
    architecture: Architecture,
    config: ProjectConfig,
    retrain: RetrainConfig,
    supernet: Path,
    splits: Splits,
    *,
    origin: dict[str, str],
    measured: Measured | None = None,
    finalist: Finalist | None = None,
) -> None:
    """Write architecture, weights, `retrain.yml`, `retrain.sh` and card.

    The weights are the supernet's, the BN statistics those of the recalibration images.

    Args:
        config: of the supernet and the search.
        retrain: how the folder retrains and fine-tunes.
        supernet: the trained supernet's folder.
        origin: what the card says of where it comes from.
        measured: its accuracy in the search.
        finalist: what it reached from scratch in the search.

    Raises:
        InputError: the supernet's weights cannot be read, or a file has the folder's name.
    """
    network = subnetwork(config, supernet, architecture, splits)
    recalibrate(network, splits.recalibration)
    write_folder(folder, architecture, retrain)
    metadata = {"architecture": architecture.to_json()}
    write_tensors(folder / "weights.safetensors", network.state_dict(), metadata)
    card = make_card(
        f"{architecture.space} {architecture.hash[:8]}",
        architecture,
        splits,
        seeds={
            "data": config.data.seed,
            "supernet": config.supernet.recipe.seed,
            "search": config.search.seed,
        },
        origin=origin | {"space": config.space, "supernet": config.supernet_hash()},
        measured=measured,
        finalist=finalist,
        trained=kept(folder, splits),
    )
    write_card(folder, card, architecture)
