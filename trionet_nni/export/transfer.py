"""`trionet finetune FOLDER --data OTHER -o OUT`: a network's weights as the start for other images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import Splits, load_splits, settled
from trionet_nni.data.registry import DATASETS, kind_of
from trionet_nni.errors import InputError, say
from trionet_nni.export.card import Card, make_card, read_card
from trionet_nni.export.card_text import write_card
from trionet_nni.export.folder import write_folder
from trionet_nni.export.inherit import Inherited, inherit
from trionet_nni.export.load import architecture_of
from trionet_nni.export.record import kept
from trionet_nni.export.retrain import finetune
from trionet_nni.export.settings import NAME, RetrainConfig, changed_config, read_config
from trionet_nni.export.turns import trained, writing
from trionet_nni.export.weights import BEST, START, chosen_weights
from trionet_nni.files.atomic import write_tensors
from trionet_nni.settings.changes import Change
from trionet_nni.settings.loggers import check_logger
from trionet_nni.settings.project import DataConfig, RecipeConfig
from trionet_nni.settings.section import refused
from trionet_nni.training.initial import initial_network
from trionet_nni.training.ranks import first_alone
from trionet_nni.training.recipe import check_recipe
from trionet_nni.training.share import this_share

_FROM = "fine-tuned from"  # on the card: whose weights it began with


def transfer(
    source: str | Path,
    data: str,
    out: Path,
    *,
    size: int | None = None,
    weights: str = BEST,
    seed: int | None = None,
    progress: bool = True,
    stop_after_steps: int | None = None,
    changes: Sequence[Change] = (),
) -> dict[str, Any]:
    """Fine-tune an exported network on other images; `out` becomes a folder like an exported one.

    The recipe is the source's for fine-tuning. What does not fit the new images is drawn anew, see
    `inherit`; `transferred.safetensors` in `out` is what training begins with. Said again after an
    interruption, it goes on.

    Args:
        data: a folder of class folders, or a data set's name.
        size: side of the images in pixels; the source's when None.
        weights: of the source, as for `load`.
        seed: as for `finetune`.
        progress: as for `finetune`.
        stop_after_steps: as for `finetune`.
        changes: of `out/retrain.yml`: its recipes, and how the images are divided.

    Returns:
        What `out/finetune_result.json` says.

    Raises:
        InputError: one line about an unusable folder, data set or set of weights.
    """
    source = Path(source)
    if out.resolve() == source.resolve():
        raise InputError(f"{out}: -o: found the network's own folder, allowed: another one")
    config = read_config(source / NAME)
    config = config.model_copy(update={"data": _data(config.data, data, size)})
    config = changed_config(config, out / NAME, changes)
    check_logger(config.finetune.logger, f"{out / NAME}: finetune.logger")
    with ExitStack() as under_way:
        with first_alone(), writing(out):
            line = _begin(source, config, out, weights, seed)
            under_way.enter_context(trained(out))
        if progress and this_share().rank == 0:
            Console(stderr=True).print(line, soft_wrap=True, highlight=False, markup=False)
        return finetune(out, seed=seed, progress=progress, stop_after_steps=stop_after_steps)


def _begin(source: Path, config: RetrainConfig, out: Path, weights: str, seed: int | None) -> str:
    """Write `out` as it is before training; the line about what was taken over."""
    card = read_card(source)
    architecture = architecture_of(card, source / config.architecture)
    file = chosen_weights(source, card, weights)[1]
    splits = load_splits(config.data, out / config.cache)
    config = _for_these(config, splits, out)
    start = config.finetune if seed is None else config.finetune.model_copy(update={"seed": seed})
    task = CostModel(splits.classes, splits.channels, splits.image_size)
    network = initial_network(architecture, start, task)
    same = tuple(card.class_names) == splits.class_names
    inherited = inherit(network, file, same_classes=same)
    origin = {_FROM: f"{card.name}, {_digest(file)}", **_changes(card, splits, inherited)}
    _check_out(out, origin, splits)
    write_folder(out, architecture, config)
    seeds = {"data": config.data.seed}
    new = make_card(card.name, architecture, splits, seeds=seeds, origin=origin, trained=kept(out, splits))
    write_card(out, new, architecture)
    write_tensors(out / START, network.state_dict())
    return _line(file, origin)


def _data(before: DataConfig, data: str, size: int | None) -> DataConfig:
    """The other images, divided by the same seed; what depends on their number is left to the defaults."""
    known = {"name": data} if data in DATASETS and not Path(data).is_dir() else {}
    if known and DATASETS[data].classes is None:
        raise InputError(f"finetune: --data: found {data!r}, which is no folder here, allowed: a folder")
    chosen = known or {"name": kind_of(Path(data)), "root": str(Path(data).resolve())}
    same = {name: getattr(before, name) for name in ("test_fraction", "seed", "workers", "bad_images")}
    try:
        return DataConfig(image_size=before.image_size if size is None else size, **same, **chosen)
    except ValidationError as error:
        raise refused(error, "finetune", DataConfig) from None


def _for_these(config: RetrainConfig, splits: Splits, out: Path) -> RetrainConfig:
    """The recipes with batches that the images fill, and the sizes of the splits as numbers."""
    images = len(splits.full_train)
    recipes = {name: _fitting(getattr(config, name), images) for name in ("retrain", "finetune")}
    if recipes["finetune"].batch_size < config.finetune.batch_size:
        say(f"batches of {images:,} instead of {config.finetune.batch_size:,}: there are no more images")
    check_recipe(recipes["finetune"], images, f"{out / NAME}: finetune")
    return config.model_copy(update={"data": settled(config.data, splits), **recipes})


def _fitting(recipe: RecipeConfig, images: int) -> RecipeConfig:
    """Of fewer images, a batch that the devices share equally."""
    batch = min(recipe.batch_size, images)
    return recipe.model_copy(update={"batch_size": max(batch - batch % recipe.devices, 1)})


def _changes(card: Card, splits: Splits, inherited: Inherited) -> dict[str, str]:
    """What the card says of the way from the source to here."""
    changes = {"drawn anew": ", ".join(inherited.new) or "nothing"}
    if inherited.fitted:
        sizes = f"from {card.image_size} to {splits.image_size} pixels"
        changes["position tables"] = f"{inherited.fitted} fitted {sizes}"
    return changes


def _line(file: Path, origin: dict[str, str]) -> str:
    """The same in one line."""
    changes = "; ".join(f"{name}: {text}" for name, text in origin.items() if name != _FROM)
    return f"weights of {file}; {changes}"


def _digest(file: Path) -> str:
    return f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"


def _check_out(out: Path, origin: dict[str, str], splits: Splits) -> None:
    """Refuse a folder with anything else in it, whose training would be mistaken for this one's."""
    if not (out / "card.json").exists():
        return
    there = read_card(out)
    if (there.origin, there.data) != (origin, splits.record):
        raise InputError(
            f"{out}: -o: found another network, or one of other images ({there.name}), allowed: a folder "
            "of its own, or that of this very fine-tuning"
        )
