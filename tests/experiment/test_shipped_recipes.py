"""Every real recipe that is shipped starts: two steps of each stage on tiny data in the true format.

The pictures are MNIST's digits as JPEG files; for segmentation they are drawn. Of a recipe only the sizes
listed here are changed; its schedule stays as long as it is, and is left after two steps.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from torchvision.datasets import Flowers102

from strategies.multi_head_sharing import SHARING
from strategies.one_shot import train_supernet
from tests.helpers.architectures import random_architectures
from tests.helpers.checkout import ROOT
from tests.helpers.panoptic_folder import write_folder as write_panoptic
from tests.helpers.published_data import WRITERS
from tests.helpers.shapes import write_shapes
from tests.helpers.tiny import digits
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.data import load_splits
from trionet_nni.experiment.check import prepare
from trionet_nni.experiment.paths import with_absolute_paths
from trionet_nni.export.card import make_card
from trionet_nni.export.card_text import write_card
from trionet_nni.export.folder import write_folder
from trionet_nni.export.retrain import finetune, retrain
from trionet_nni.export.settings import retrain_config
from trionet_nni.export.weights import FILES
from trionet_nni.files.atomic import write_tensors
from trionet_nni.segmentation.train import train
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import ProjectConfig, RecipeConfig, load_experiment, read_yaml
from trionet_nni.supernet.slicing import subnetwork_state

EXPERIMENTS = ROOT / "experiments"
PAPERS_SMALL = ("stanford-cars", "fgvc-aircraft", "cub", "caltech-101", "flowers-102")

# All that is changed.
STEPS = 2  # of each stage, instead of all
BATCH = 4  # instead of 256 and 128, or 32 and 64
SPLITS = {"search_images": 4, "recalibration_images": 4}  # instead of 500 to 10,000
PHOTOGRAPHS = {"image_size": 72, "workers": 0}  # instead of 224 and 8; above 64: files are read on demand
SEGMENTATION = {"batch_size": 2, "crop_size": 64}  # instead of 16 and 512, or 8 and 640; workers: 0 for 8

CLASSES, IMAGES = 3, 6  # of a class, in each part


def draw(path: Path, number: int) -> None:
    """A real digit as a photograph would come: RGB, not square."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = digits().full_train.pixels(slice(number, number + 1))[0, 0]
    Image.fromarray(pixels.numpy()).convert("RGB").resize((100, 84)).save(path, quality=95)


def write_class_folders(root: Path, test: str) -> None:
    numbers = iter(range(2 * CLASSES * IMAGES))
    for part in ("train", test):
        for label in range(CLASSES):
            for image in range(IMAGES):
                draw(root / part / f"class{label}" / f"{image}.jpg", next(numbers))


def published(name: str, folder: str) -> Callable[[Path], None]:
    return lambda root: WRITERS[name](root / folder, CLASSES, IMAGES, draw)


# Where an experiment's file says that its data are, seen from the checkout.
DATA: dict[str, Callable[[Path], None]] = {
    "imagenet": lambda root: write_class_folders(root / "imagenet", "val"),
    "cifar10": lambda root: write_class_folders(root / "datasets" / "cifar10", "test"),
    "replica": lambda root: write_class_folders(root / "datasets" / "cifar10", "test"),
    "claims": lambda root: write_class_folders(root / "datasets" / "cifar10", "test"),
    "mine": lambda root: write_class_folders(root / "datasets" / "mine", "test"),
    "cub": published("cub-2010", "datasets/cub"),
    **{name: published(name, "datasets") for name in PAPERS_SMALL if name != "cub"},
}


def scaled(config: ProjectConfig) -> ProjectConfig:
    """The shipped experiment with the sizes above."""
    settings = config.model_dump(mode="json")
    settings["data"] |= SPLITS | (PHOTOGRAPHS if config.data.image_size > 64 else {})
    for recipe in (settings["supernet"]["recipe"], settings["retrain"], settings["finetune"]):
        recipe["batch_size"] = BATCH
    return ProjectConfig.model_validate(settings)


def shipped(name: str) -> ProjectConfig:
    return load_experiment(EXPERIMENTS / f"{name}.yml")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Supernets of the paper's space are large: nothing is left behind."""
    monkeypatch.setattr(Flowers102, "_check_integrity", lambda self: True)  # of the published files
    yield tmp_path
    shutil.rmtree(tmp_path)


def mixed(table: SpaceTable) -> Architecture:
    """A network with all three operators."""
    drawn = random_architectures(table, 20)
    return next(one for one in drawn if len({block.operator for _, block in one.blocks()}) == 3)


def cut_out(config: ProjectConfig, folder: Path, checkpoint: Path, cache: Path) -> None:
    """A folder as `trionet export` writes it, from an unfinished supernet."""
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    prefix = "training_module._model."
    supernet = {key.removeprefix(prefix): value for key, value in state.items()}
    network, splits = mixed(load_table(config.space)), load_splits(config.data, cache)
    write_folder(folder, network, retrain_config(config))
    write_card(folder, make_card("tiny", network, splits, seeds={"data": 0}), network)
    weights = subnetwork_state(supernet, network, SHARING, splits.image_size)
    write_tensors(folder / FILES["supernet"], weights)


@pytest.mark.parametrize("name", DATA)
def test_all_stages_take_two_steps(name: str, root: Path) -> None:
    DATA[name](root)
    config = scaled(with_absolute_paths(shipped(name), root))
    cache, run, folder = root / ".cache", root / "supernet", root / "network"
    assert prepare(config, cache).images >= BATCH
    train_supernet(config, run, lambda _: None, cache=cache, stop_after_steps=STEPS)
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == STEPS
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())
    cut_out(config, folder, run / "last.ckpt", cache)
    for stage in (retrain,) if name == "imagenet" else (retrain, finetune):
        result = stage(folder, progress=False, stop_after_steps=STEPS)
        assert (result["steps"], result["complete"]) == (STEPS, False)
        recipe = config.retrain if stage is retrain else config.finetune
        assert result["of"] == (recipe.steps or result["of"]) > STEPS


def write_voc(root: Path) -> None:
    """With the Semantic Boundaries Dataset's masks in a folder of their own."""
    folder = root / "datasets" / "VOC2012"
    write_shapes(folder, train=4, validation=2, size=80)
    (folder / "SegmentationClassAug").mkdir()
    for mask in (folder / "SegmentationClass").glob("trainaug_*.png"):
        mask.rename(folder / "SegmentationClassAug" / mask.name)


def write_coco(root: Path) -> None:
    folder = root / "datasets" / "coco"
    for part in ("train2017", "val2017"):
        write_panoptic(folder)
        (folder / "tiny").rename(folder / part)
        for kind in ("", ".json"):
            (folder / "annotations" / f"panoptic_tiny{kind}").rename(
                folder / "annotations" / f"panoptic_{part}{kind}"
            )


@pytest.mark.parametrize(("name", "write"), [("voc", write_voc), ("coco_panoptic", write_coco)])
def test_segmentation_takes_two_steps(name: str, write: Callable[[Path], None], root: Path) -> None:
    write(root)
    settings = read_yaml(EXPERIMENTS / f"{name}.yml")
    settings["recipe"] |= SEGMENTATION
    settings["data"]["workers"] = 0
    file = root / "experiments" / f"{name}.yml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(settings))
    result = train(file, root / "run", progress=False, stop_after_steps=STEPS)
    assert (result["steps"], result["of"]) == (STEPS, settings["recipe"]["iterations"])


def test_every_shipped_file_is_taken_or_runs_elsewhere() -> None:
    elsewhere = {"quickstart", "replica-digits", "shapes", "coco-samples"}  # on data that need no folder
    # imagenet-180 is imagenet but for one number, replica-long is replica but for two.
    taken = {*DATA, "imagenet-180", "replica-long", "voc", "coco_panoptic"}
    assert {path.stem for path in EXPERIMENTS.glob("*.yml")} == taken | elsewhere


def described(recipe: RecipeConfig) -> dict[str, Any]:
    """What appendix A says of a recipe."""
    names = ("learning_rate", "momentum", "nesterov", "weight_decay", "label_smoothing", "batch_size")
    more = ("dropout", "attention_dropout", "survival", "augment")
    return {name: getattr(recipe, name) for name in (*names, *more)}


IMAGENET: dict[str, Any] = {
    "learning_rate": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 8e-5,
    "label_smoothing": 0.1,
    "batch_size": 256,
    "dropout": 0,
    "attention_dropout": 0,
    "survival": 1,
    "augment": "resized-crop-flip",
}
SMALL = IMAGENET | {
    "weight_decay": 1e-3,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "augment": "resized-crop-flip-jitter",
}


def test_imagenet_is_the_papers() -> None:
    config = shipped("imagenet")
    for recipe, epochs in ((config.supernet.recipe, 530 + 10), (config.retrain, 130)):
        assert described(recipe) == IMAGENET
        assert (recipe.steps, recipe.epochs, recipe.warmup_epochs) == (None, epochs, 10)
    assert (config.data.search_images, config.data.recalibration_images) == (10_000, 4_096)
    assert (config.data.image_size, config.space) == (224, "spaces.trionet")
    assert config.supernet.sandwich and config.supernet.random_subnetworks == 2


@pytest.mark.parametrize("name", PAPERS_SMALL)
def test_small_data_sets_are_the_papers(name: str) -> None:
    config = shipped(name)
    for recipe in (config.supernet.recipe, config.retrain):
        assert described(recipe) == SMALL
        assert (recipe.steps, recipe.warmup_epochs) == (60_000, 10)
    assert described(config.finetune) == SMALL | {"learning_rate": 1e-3, "batch_size": 128}
    assert (config.finetune.steps, config.finetune.warmup_epochs) == (1_000, 0)
    assert (config.data.search_images, config.data.image_size) == (500, 224)
    assert config.space == "spaces.trionet"


def test_the_small_data_sets_differ_in_their_data_alone() -> None:
    projects = [shipped(name).model_dump(exclude={"data"}) for name in PAPERS_SMALL]
    assert all(project == projects[0] for project in projects)
    assert shipped("cub").data.name == "cub-2010"  # the edition that the paper cites


def test_imagenet_180_is_imagenet_but_for_its_epochs() -> None:
    whole, shorter = (read_yaml(EXPERIMENTS / f"{name}.yml") for name in ("imagenet", "imagenet-180"))
    recipe = shorter["tuner"]["classArgs"]["supernet"]["recipe"]
    assert recipe["epochs"] == 180
    recipe["epochs"] = 540
    assert shorter.pop("experimentName") == whole.pop("experimentName") + "-180"
    assert shorter == whole
