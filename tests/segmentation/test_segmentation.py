"""Semantic segmentation, the whole way: settings, training, resume, evaluation, prediction, commands."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.helpers.checkout import ROOT
from tests.helpers.shapes import CLASSES, settings, write_shapes
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.segmentation.file import parse_config, read_config
from trionet_nni.segmentation.folder import RunFolder
from trionet_nni.segmentation.recipe import rate
from trionet_nni.segmentation.shared.colours import painted, palette
from trionet_nni.segmentation.shared.config import RecipeConfig
from trionet_nni.segmentation.train import train

RUNS = [path for path in (ROOT / "experiments").glob("*.yml") if "\ntask: " in path.read_text()]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    write_shapes(root, train=9, validation=3, size=56)
    return root


@pytest.fixture
def file(pictures: Path, tmp_path: Path) -> Path:
    shutil.copytree(pictures, tmp_path / "data")
    path = tmp_path / "run.yml"
    path.write_text(yaml.safe_dump(settings()))
    return path


def test_an_interrupted_run_goes_on_to_the_same_weights_and_metrics(file: Path, tmp_path: Path) -> None:
    whole = train(file, tmp_path / "whole", progress=False)
    torch.manual_seed(77)
    assert not train(file, tmp_path / "parts", progress=False, stop_after_steps=4)["complete"]
    assert not RunFolder(tmp_path / "parts").weights.exists()
    parts = train(file, tmp_path / "parts", progress=False)
    assert (parts["resumed_from"], parts["steps"], parts["pictures"]) == (4, 6, 3)
    assert parts["metrics"] == whole["metrics"]
    weights = [RunFolder(tmp_path / name).weights.read_bytes() for name in ("whole", "parts")]
    assert weights[0] == weights[1]
    finished = train(file, tmp_path / "parts", progress=False)
    assert (finished["resumed_from"], finished["metrics"]) == (6, whole["metrics"])


def test_tensorboard_shows_curves_and_pictures(file: Path, tmp_path: Path) -> None:
    train(file, tmp_path / "run", progress=False)
    board = EventAccumulator(str(tmp_path / "run" / "curves"), size_guidance={"images": 0}).Reload()
    assert {"train/loss", "validation/mIoU", "validation/IoU/disc"} <= set(board.Tags()["scalars"])
    assert [event.step for event in board.Scalars("validation/mIoU")] == [3, 6]
    images = board.Images("picture, truth, prediction/val_0000")
    assert [event.step for event in images] == [3, 6]
    assert all((event.width, event.height) == (3 * 56, 56) for event in images)


def test_the_commands(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    assert main(["segment", "train", str(file), "-o", str(run), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    shutil.rmtree(out, ignore_errors=True)
    assert main(["segment", "eval", str(run), "-o", str(out / "val"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(result["metrics"])
    assert result["metrics"].keys() == {"mIoU", "pixel accuracy", *(f"IoU/{name}" for name in CLASSES)}
    (tmp_path / "data").rename(tmp_path / "gone")  # prediction needs no data
    Image.fromarray(np.zeros((37, 61, 3), np.uint8)).save(tmp_path / "odd.png")
    given = [str(tmp_path / "gone" / "JPEGImages" / "val_0001.jpg"), str(tmp_path / "odd.png")]
    assert main(["segment", "predict", str(run), *given, "-o", str(out / "new")]) == 0
    again, first = (out / name / "masks" / "val_0001.png" for name in ("new", "val"))
    assert again.read_bytes() == first.read_bytes()
    with Image.open(out / "new" / "masks" / "odd.png") as mask:
        assert (mask.mode, mask.size) == ("P", (61, 37))
        assert np.asarray(mask).max() < len(CLASSES)
    with Image.open(out / "new" / "overlays" / "odd.png") as overlay:
        assert (overlay.mode, overlay.size) == ("RGB", (61, 37))


def test_another_seed_or_recipe_needs_another_folder(file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(file, run, progress=False, stop_after_steps=1)
    with pytest.raises(InputError, match=r"segment\.yml: found another run"):
        train(file, run, seed=5, progress=False)
    changed = settings(evaluate_every=2, data={**settings()["data"], "workers": 1})  # type: ignore[dict-item]
    file.write_text(yaml.safe_dump(changed))
    assert train(file, run, progress=False, stop_after_steps=2)["resumed_from"] == 1


def test_evaluation_counts_every_pixel_but_void(file: Path, tmp_path: Path) -> None:
    train(file, tmp_path / "run", progress=False)
    task = RunFolder(tmp_path / "run").open(data=True)
    for index in range(task.validation_pictures):
        truth = task.truth(index)
        task.update(index, torch.where(truth == 255, 1, truth))
    assert all(value == pytest.approx(100) for value in task.compute().values())
    right, union = np.zeros(len(CLASSES)), np.zeros(len(CLASSES))
    for index in range(task.validation_pictures):
        truth, prediction = task.truth(index).numpy(), task.predict(task.validation_picture(index)[1])
        task.update(index, prediction)
        for label in range(len(CLASSES)):
            a, b = truth == label, (prediction.numpy() == label) & (truth != 255)
            right[label] += (a & b).sum()
            union[label] += (a | b).sum()
    found = task.compute()
    for name, value in zip(CLASSES, right / union, strict=True):
        assert found[f"IoU/{name}"] == pytest.approx(100 * value, abs=1e-3)
    assert found["mIoU"] == pytest.approx(100 * (right / union).mean(), abs=1e-3)


def test_bad_files_end_with_status_2_before_anything_is_written(file, tmp_path, capsys):
    mask = tmp_path / "data" / "SegmentationClass" / "trainaug_0002.png"
    mask.unlink()
    assert main(["segment", "train", str(file), "-o", str(tmp_path / "run")]) == 2
    Image.fromarray(np.full((56, 56), 9, np.uint8)).save(mask)
    assert main(["segment", "train", str(file), "-o", str(tmp_path / "run")]) == 2
    assert main(["segment", "eval", str(tmp_path / "run")]) == 2
    assert main(["segment", "predict", str(tmp_path / "run"), str(mask), str(mask), "-o", "x"]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 4 and not (tmp_path / "run").exists()
    assert "trainaug_0002.png: found no such file" in error[0]
    assert "trainaug_0002.png: class: found 9, allowed: 0 to 3, or 255 for void" in error[1]
    assert "weights.safetensors: found nothing, allowed: a run that has come to its end" in error[2]
    assert "allowed: every name once" in error[3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": 1}, "tasks: found 1"),
        ({"task": "instance"}, "task: found 'instance', allowed: .*semantic"),
        ({"task": "panoptic"}, "data.format: found 'voc', allowed: coco-panoptic for"),
        ({"recipe": {"batch_size": 1}}, "batch_size: found 1, allowed: 2 or more: ASPP"),
        ({"recipe": {"scale": [2, 1]}}, "scale must be two positive factors"),
        ({"evaluate_every": 0}, "evaluate_every: found 0"),
    ],
)
def test_wrong_settings_are_one_line(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_config(settings(**changes), "x.yml")
    assert str(caught.value).startswith("x.yml: ") and "\n" not in str(caught.value)


def test_more_pictures_in_a_batch_than_there_are(file: Path, tmp_path: Path) -> None:
    file.write_text(yaml.safe_dump(settings(recipe={"batch_size": 10})))
    with pytest.raises(InputError, match=r"recipe.batch_size: found 10, allowed: up to the 9 "):
        train(file, tmp_path / "run", progress=False)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_every_shipped_run_can_be_read(path):
    config = read_config(path)
    assert Path(config.data.root).is_absolute()


def test_the_papers_recipes():
    files = (ROOT / "experiments" / f"{name}.yml" for name in ("voc", "coco_panoptic"))
    voc, coco = (read_config(path).recipe for path in files)
    assert (voc.optimizer, voc.learning_rate, voc.momentum, voc.weight_decay) == ("sgd", 0.01, 0.9, 5e-4)
    assert (voc.batch_size, voc.iterations, voc.crop_size) == (16, 20_000, 512)
    assert (coco.optimizer, coco.learning_rate, coco.weight_decay) == ("adam", 6.25e-5, 0)
    assert (coco.batch_size, coco.iterations, coco.crop_size) == (8, 200_000, 640)


@pytest.mark.parametrize("schedule", ["poly", "cosine"])
def test_the_learning_rate_falls_from_all_to_nothing(schedule):
    recipe = RecipeConfig(schedule=schedule, iterations=50)
    rates = [rate(recipe, step) for step in range(51)]
    assert rates[0] == 1 and rates[-1] == pytest.approx(0)
    assert all(a > b for a, b in pairwise(rates))


def test_colours_are_vocs():
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 15: (192, 128, 128)}
    for label, colour in {**known, 20: (0, 64, 128), 255: (224, 224, 192)}.items():
        assert tuple(palette()[label].tolist()) == colour


def test_an_overlay_leaves_the_background_alone():
    pixels = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    classes = torch.zeros(5, 7, dtype=torch.uint8)
    classes[2:, 3:] = 4
    overlay = painted(pixels, classes)
    assert torch.equal(overlay[:, :2], pixels[:, :2]) and torch.equal(overlay[:, :, :3], pixels[:, :, :3])
    mixed = 0.4 * pixels[:, 2:, 3:].float() + 0.6 * palette()[4][:, None, None]
    assert (overlay[:, 2:, 3:].float() - mixed).abs().max() <= 0.5


def test_weights_on_disk_are_the_models(file: Path, tmp_path: Path) -> None:
    train(file, tmp_path / "run", progress=False)
    folder = RunFolder(tmp_path / "run")
    model = folder.open(data=False).model
    state = load_file(folder.weights)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not model.training
