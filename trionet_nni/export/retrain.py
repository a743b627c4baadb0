"""`trionet retrain` and `trionet finetune`: train one network, measure it on the test images."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.baselines import BASELINES, network_named
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import Splits, load_splits, settled
from trionet_nni.errors import InputError
from trionet_nni.experiment.open import open_experiment
from trionet_nni.export.card import Weights, make_card, read_card
from trionet_nni.export.card_text import write_card
from trionet_nni.export.folder import write_folder
from trionet_nni.export.load import architecture_of, load_weights
from trionet_nni.export.record import kept, measure, record
from trionet_nni.export.settings import NAME, RetrainConfig, change_config, read_config, retrain_config
from trionet_nni.export.turns import trained, writing
from trionet_nni.export.weights import FILES, RESULTS, START
from trionet_nni.files.atomic import write_json, write_tensors
from trionet_nni.files.invocation import trionet
from trionet_nni.network.trionet import TrioNet
from trionet_nni.settings.changes import Change
from trionet_nni.settings.loggers import check_logger
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.initial import initial_network
from trionet_nni.training.ranks import first_alone
from trionet_nni.training.recipe import check_recipe
from trionet_nni.training.share import check_shares, this_share


def retrain(
    path: str | Path,
    *,
    seed: int | None = None,
    progress: bool = True,
    stop_after_steps: int | None = None,
    changes: Sequence[Change] = (),
) -> dict[str, Any]:
    """Train an exported network from scratch on the full training set; measure it on the test split.

    Several processes train it where its recipe says so (`retrain.devices`), or where torchrun started
    several and each of them calls this.

    Writes `retrained.safetensors` and `retrain_result.json`; goes on where an earlier call with the same
    seed was interrupted.

    Args:
        path: exported folder, or its `retrain.yml`.
        seed: instead of the recipe's: initial weights, order, augmentation, dropout.
        progress: show it.
        stop_after_steps: end after so many steps, as if interrupted there; nothing is measured then.
        changes: of `retrain.yml`, which is written again with them: the next call goes on with them.

    Returns:
        What `retrain_result.json` says; of what is measured only the first of several processes knows.

    Raises:
        InputError: one line about an unusable file.
    """
    with _opened(path, "retrain", changes) as (folder, config):
        recipe = _seeded(config.retrain, seed)
        return _train("retrain", "retrained", folder, config, recipe, progress, stop_after_steps)


def finetune(
    path: str | Path,
    *,
    seed: int | None = None,
    progress: bool = True,
    stop_after_steps: int | None = None,
    changes: Sequence[Change] = (),
) -> dict[str, Any]:
    """As `retrain`, but from the weights cut out of the supernet; writes `finetuned.safetensors`.

    In a folder that `transfer` wrote, it begins with the weights that were taken over.
    """
    with _opened(path, "finetune", changes) as (folder, config):
        recipe = _seeded(config.finetune, seed)
        return _train("finetune", "finetuned", folder, config, recipe, progress, stop_after_steps)


def retrain_architecture(
    architecture: str,
    experiment: Path,
    out: Path,
    *,
    seed: int | None = None,
    progress: bool = True,
    changes: Sequence[Change] = (),
) -> dict[str, Any]:
    """Train any network with an experiment's data and recipe.

    Args:
        architecture: file, or name of a hand-designed network.
        out: becomes a folder like an exported one.
        changes: of the experiment's settings; they are in the folder's `retrain.yml`.

    Raises:
        InputError: one line about an unusable file.
    """
    network = network_named(architecture)
    config = retrain_config(open_experiment(experiment, changes).config)
    name = architecture if architecture in BASELINES else f"{network.space} {network.hash[:8]}"
    return retrain_network(network, config, out, name=name, seed=seed, progress=progress)


def retrain_network(
    network: Architecture,
    config: RetrainConfig,
    out: Path,
    *,
    name: str,
    seed: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train a network from scratch in a folder like an exported one; see `retrain`.

    Args:
        config: data and recipe.
        name: what its card calls it.

    Raises:
        InputError: one line about unusable data or an unusable folder.
    """
    check_logger(config.retrain.logger, "retrain.logger")
    with ExitStack() as under_way:
        with first_alone(), writing(out):
            splits = load_splits(config.data, out / config.cache)
            config = config.model_copy(update={"data": settled(config.data, splits)})
            write_folder(out, network, config)
            seeds = {"data": config.data.seed}
            card = make_card(name, network, splits, seeds=seeds, trained=kept(out, splits))
            write_card(out, card, network)
            under_way.enter_context(trained(out))
        return retrain(out, seed=seed, progress=progress)


@contextmanager
def _opened(path: str | Path, kind: str, changes: Sequence[Change]) -> Iterator[tuple[Path, RetrainConfig]]:
    """A folder and its settings, with changes that are written down there; its network stays meanwhile."""
    path = Path(path)
    file = path / NAME if path.is_dir() else path
    if not file.exists():
        raise InputError(f"{file}: found nothing, allowed: a folder that trionet export wrote")
    with ExitStack() as under_way:
        with writing(file.parent):
            config = change_config(file, kind, changes) if changes else read_config(file)
            check_logger(config.recipe(kind).logger, f"{file}: {kind}.logger")
            under_way.enter_context(trained(file.parent))
        yield file.parent, config


def _seeded(recipe: RecipeConfig, seed: int | None) -> RecipeConfig:
    return recipe if seed is None else recipe.model_copy(update={"seed": seed})


def _train(
    kind: str,
    weights: Weights,
    folder: Path,
    config: RetrainConfig,
    recipe: RecipeConfig,
    progress: bool,
    stop_after_steps: int | None,
) -> dict[str, Any]:
    if recipe.devices > 1 and this_share().world == 1:
        from trionet_nni.training.together import run_together  # torchrun's agent: a second

        arguments = (kind, weights, folder, config, recipe, progress, stop_after_steps)
        together: dict[str, Any] = run_together(recipe.devices, f"{kind}.devices", _train_share, *arguments)
        return together
    return _train_share(kind, weights, folder, config, recipe, progress, stop_after_steps)


def _train_share(
    kind: str,
    weights: Weights,
    folder: Path,
    config: RetrainConfig,
    recipe: RecipeConfig,
    progress: bool,
    stop_after_steps: int | None,
) -> dict[str, Any]:
    """What each of the processes does; one where there is no other."""
    with first_alone():
        splits = load_splits(config.data, folder / config.cache)
    check_recipe(recipe, len(splits.full_train), f"{folder / NAME}: {kind}")
    check_shares(recipe.batch_size, f"{folder / NAME}: {kind}")
    network = _network(folder, config, splits, recipe)
    if kind == "finetune":
        load_weights(network, _start(folder))
    from trionet_nni.training.fit import fit  # imports Lightning: mistakes in the files are told before

    directory = folder / "runs" / f"{kind}-seed{recipe.seed}"
    if kind == "finetune":  # other weights, exported again into this folder, are another run
        origin = hashlib.sha256(_start(folder).read_bytes()).hexdigest()[:8]
        directory = directory.with_name(f"{directory.name}-{origin}")
    run = fit(
        network,
        recipe,
        splits.full_train,
        directory,
        classes=splits.classes,
        title=f"{kind} {folder.name}",
        progress=progress,
        workers=config.data.workers,
        stop_after_steps=stop_after_steps,
    )
    result: dict[str, Any] = {"kind": kind, "seed": recipe.seed, **run, "data": splits.record}
    if not run["complete"] or this_share().rank > 0:
        return result
    found = measure(network, splits).model_copy(update={"seed": recipe.seed, "steps": run["steps"]})
    result |= found.model_dump(include={"accuracy", "loss", "images", "split"})
    with writing(folder):  # trainings of other seeds may be over at the same moment
        write_tensors(folder / FILES[weights], network.state_dict())
        write_json(directory / "result.json", result)
        write_json(folder / RESULTS[weights], result)
        record(folder, weights, found, splits)
    return result


def _start(folder: Path) -> Path:
    """The weights that a fine-tuning begins with."""
    return folder / START if (folder / START).exists() else folder / FILES["supernet"]


def _network(folder: Path, config: RetrainConfig, splits: Splits, recipe: RecipeConfig) -> TrioNet:
    """The network of a folder, as its training begins; what the card says fits the images."""
    card = read_card(folder)
    architecture = architecture_of(card, folder / config.architecture)
    wanted = (card.classes, card.channels, card.image_size)
    found = (splits.classes, splits.channels, splits.image_size)
    if found != wanted:
        raise InputError(
            f"{folder / NAME}: data: found (classes, channels, image_size) {found}, "
            f"allowed: {wanted} as in card.json"
        )
    return initial_network(architecture, recipe, CostModel(*wanted))


def print_result(path: Path, result: dict[str, Any]) -> None:
    """What a training reached, for a terminal; nothing of one that was interrupted, or of another process.

    Args:
        path: exported folder, or its `retrain.yml`.
        result: what `retrain` or `finetune` returned.
    """
    if "accuracy" not in result:
        return
    folder = path if path.is_dir() else path.parent
    card = read_card(folder)
    table = Table(title=f"{card.name}, {result['kind']}")
    values = {
        "test accuracy": f"{result['accuracy']:.4f}",
        "test images": f"{result['images']:,}",
        "MFLOPs": f"{card.flops / 1e6:,.1f}",
        "params": f"{card.params:,}",
        "seed": str(result["seed"]),
        "steps": f"{result['steps']:,}",
        "seconds": f"{result['seconds']:.0f}",
    }
    for name in values:
        table.add_column(name, justify="right")
    table.add_row(*values.values())
    console = Console()
    console.print(table)
    command = trionet("evaluate", shlex.quote(str(folder)))
    console.print(f"Next: {command}", soft_wrap=True, highlight=False, markup=False)
