"""What timm's validate.py says of a network is what `trionet evaluate` says of it.

The script is no part of timm's package; these are the calls that it makes, in its order, with its defaults.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import trionet_nni
from tests.helpers.class_folders import write_class_folders
from tests.helpers.tiny import ARCHITECTURE
from trionet_nni.cli import main
from trionet_nni.data.stores import MARGIN
from trionet_nni.export.evaluate import evaluate
from trionet_nni.export.load import load
from trionet_nni.export.retrain import retrain_network
from trionet_nni.export.settings import RetrainConfig
from trionet_nni.settings.project import DataConfig, RecipeConfig

timm = pytest.importorskip("timm")
for _part in ("data", "utils"):
    pytest.importorskip(f"timm.{_part}")
trionet_nni.register_with_timm()
CLASSES = ["class 10", "Round", "class 9", "angular"]  # which timm sorts otherwise
SIZE = 72  # above it files are read again each time, and the middle of a picture is seen
TINTS = ("red", "green", "blue", "gray")  # what is learnt in a few steps
SIDES = ((100, 80), (90, 120), (75, 75), (260, 300))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that a few steps have taught something, beside `pictures/test/CLASS/*` of many sizes."""
    root = tmp_path_factory.mktemp("timm")
    write_class_folders(root / "pictures", 96, "RGB", 28, CLASSES)
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        with Image.open(path) as picture:
            resized = picture.resize(SIDES[number % len(SIDES)], Image.Resampling.BICUBIC)
        tint = Image.new("RGB", resized.size, TINTS[CLASSES.index(path.parent.name)])
        Image.blend(resized, tint, 0.2).save(path.with_suffix(".jpg"), quality=95)
        path.unlink()
    recipe = RecipeConfig(
        steps=12, batch_size=16, learning_rate=0.05, warmup_epochs=0, augment="resized-crop-flip"
    )
    data = DataConfig(name="folder", root=str(root / "pictures"), image_size=SIZE, search_images=12)
    config = RetrainConfig(data=data, retrain=recipe, finetune=recipe)
    retrain_network(ARCHITECTURE, config, root / "network", name="polygons", progress=False)
    return root / "network"


@pytest.fixture
def shared(network: Path, tmp_path: Path) -> Path:
    """The network as `trionet push` would send it."""
    folder = shutil.copytree(network, tmp_path / "network")
    assert main(["push", str(folder), "--folder", str(tmp_path / "shared")]) == 0
    return tmp_path / "shared"


def loader(model: nn.Module, folder: Path, split: str, class_map: Path | str) -> Any:
    config = timm.data.resolve_data_config({}, model=model, use_test_size=True)
    mode = "RGB" if config["input_size"][0] == 3 else "L"
    dataset = timm.data.create_dataset(
        "", root=str(folder), split=split, class_map=str(class_map), input_img_mode=mode
    )
    names = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")
    return timm.data.create_loader(
        dataset,
        batch_size=16,
        use_prefetcher=False,
        num_workers=0,
        persistent_workers=False,
        device=torch.device("cpu"),
        **{name: config[name] for name in names},
    )


@torch.inference_mode()
def validated(model: nn.Module, batches: Any) -> tuple[float, float, dict[str, Tensor]]:
    """Acc@1 in percent, the mean loss, and the logits of every file."""
    top1, losses, logits = timm.utils.AverageMeter(), timm.utils.AverageMeter(), []
    model.eval()
    for x, y in batches:
        output = model(x)
        losses.update(nn.functional.cross_entropy(output, y).item(), len(y))
        top1.update(timm.utils.accuracy(output, y, topk=(1,))[0].item(), len(y))
        logits.append(output)
    names = batches.dataset.filenames(absolute=True)
    return top1.avg, losses.avg, dict(zip(names, torch.cat(logits), strict=True))


def test_validate_says_what_evaluate_says(network: Path, shared: Path) -> None:
    pictures = network.parent / "pictures"
    own = load(network)
    assert own.preprocess.margin == MARGIN < 1 and own.classes == tuple(sorted(CLASSES))
    ours = evaluate(network).confusion
    assert ours.accuracy > 1.3 / len(CLASSES)  # something is known, so that a mixed-up order would be seen
    model = timm.create_model(f"local-dir:{shared}", pretrained=True)
    batches = loader(model, pictures, "test", shared / "classes.txt")
    accuracy, loss, logits = validated(model, batches)
    assert len(logits) == ours.images
    expected = {path: own(own.preprocess(path)[None])[0].detach() for path in logits}
    # timm cuts whole pixels out of a picture that it has made smaller; here both are one step.
    apart = torch.stack([(logits[path] - expected[path]).abs().max() for path in logits])
    assert apart.median() < 0.1 and accuracy == pytest.approx(100 * ours.accuracy, abs=5)
    assert loss == pytest.approx(ours.loss, rel=0.05)


def test_without_the_list_of_classes_timm_numbers_folders_otherwise(network: Path, shared: Path) -> None:
    model = timm.create_model(f"local-dir:{shared}", pretrained=True)
    pictures = network.parent / "pictures"
    named, plain = (loader(model, pictures, "test", one).dataset for one in (shared / "classes.txt", ""))
    numbers = {name: number for number, name in enumerate(load(network).classes)}

    def right(dataset: Any) -> bool:
        folders = (Path(name).parent.name for name in dataset.filenames(absolute=True))
        return all(
            label == numbers[folder]
            for (_, label), folder in zip(dataset.reader.samples, folders, strict=True)
        )

    assert right(named) and not right(plain)
