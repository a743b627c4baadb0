"""Segmentation: a run's file, lists, masks, COCO's JSON, and the folder of a finished run."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.hostile.bench import ARCHITECTURE, DELETE, changed, write_json, write_yaml
from tests.hostile.case import Case, says
from tests.hostile.payloads import opens_canary
from trionet_nni.cli import main

_RUN, _VOC, _COCO, _FINISHED = (
    "segmentation run's file",
    "VOC folder",
    "COCO panoptic JSON",
    "segmentation run",
)
_SIDE = 32
_NAMES = ("a", "b", "c", "d")
Change = tuple[str, Any]
Spoil = Callable[[Path], object]


def _settings(folder: Path) -> dict[str, Any]:
    return {
        "task": "semantic",
        "backbone": {"network": str(write_json(folder / "network.json", ARCHITECTURE.to_dict()))},
        "data": {"root": "data", "classes": ["ground", "disc"], "train": "val"},
        "head": {"channels": 4},
        "recipe": {"batch_size": 2, "iterations": 2, "crop_size": 32},
    }


def _voc(folder: Path) -> Path:
    """Four pictures with masks of two classes."""
    root = folder / "data"
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / name).mkdir(parents=True)
    for name in _NAMES:
        Image.new("RGB", (_SIDE, _SIDE), (90, 20, 200)).save(root / "JPEGImages" / f"{name}.jpg")
        _mask(root / "SegmentationClass" / f"{name}.png", 1)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(_NAMES))
    return root


def _mask(path: Path, value: int, side: int = _SIDE, mode: str = "L") -> None:
    path.unlink(missing_ok=True)
    Image.fromarray(np.full((side, side), value, np.uint8)).convert(mode).save(path)


def _train(folder: Path, *changes: Change) -> int:
    path = write_yaml(folder / "run.yml", changed(_settings(folder), *changes))
    return main(["segment", "train", str(path), "-o", str(folder / "out")])


def _field(name: str, field: str, value: Any, *line: str) -> Case:
    def run(folder: Path) -> int:
        _voc(folder)
        return _train(folder, (field, value))

    return Case(_RUN, name, "trionet segment train", run, says(*line))


def _spoilt(name: str, spoil: Spoil, *line: str) -> Case:
    def run(folder: Path) -> int:
        spoil(_voc(folder))
        return _train(folder)

    return Case(_VOC, name, "trionet segment train", run, says(*line))


def _listed(text: str | bytes) -> Spoil:
    data = text.encode() if isinstance(text, str) else text
    return lambda root: (root / "ImageSets" / "Segmentation" / "val.txt").write_bytes(data)


def _first_mask(root: Path) -> Path:
    return root / "SegmentationClass" / "a.png"


RUNS = (
    _field(
        "an unknown task",
        "task",
        "depth",
        "run.yml: task: found 'depth', allowed: ",
        "semantic, panoptic",
    ),
    _field(
        "an unknown key",
        "head.rate",
        6,
        "run.yml: head.rate: found 6, allowed: no such key, but channels, rates",
    ),
    _field(
        "no network",
        "backbone.network",
        DELETE,
        "run.yml: backbone.network: found nothing, allowed: a value",
    ),
    _field(
        "a network that is not there", "backbone.network", "vgg", "backbone.network: found 'vgg', allowed: "
    ),
    _field(
        "no pictures",
        "data.root",
        "nowhere",
        "nowhere/ImageSets/Segmentation/val.txt: cannot be read (No such",
    ),
    _field(
        "one class",
        "data.classes",
        ["ground"],
        "data.classes: found ['ground'], allowed: ",
        "at least 2 items",
    ),
    _field(
        "a dilation of 0", "head.rates", [0], "head.rates.0: found 0, allowed: Input should be greater than"
    ),
    _field(
        "scales that fall", "recipe.scale", [2, 1], "recipe: found ", "allowed: ", "the smaller one first"
    ),
    _field("a crop of 10⁶ pixels", "recipe.crop_size", 10**6, "recipe.crop_size: found 1000000, allowed: "),
    _field(
        "the other task's format",
        "data.format",
        "coco-panoptic",
        "run.yml: data.format: found 'coco-panoptic', allowed: voc for the task semantic",
    ),
    _field("a batch larger than the data", "recipe.batch_size", 5, "batch_size: found 5, allowed: ", "4"),
    _field("NUL in the root", "data.root", "a\0b", "data.root: found 'a\\x00b', allowed: ", "without NUL"),
    _field(
        "a user that does not exist",
        "data.root",
        "~nobody-of-that-name",
        "data.root: found '~nobody",
        "allowed: ",
    ),
    _field(
        "weights that are not there",
        "backbone.weights",
        "no.pt",
        "backbone.weights: found no file no.pt, allowed: ",
    ),
)
FOLDERS = (
    _spoilt("an empty list", _listed(""), "val.txt: found no name, allowed: one a line"),
    _spoilt(
        "a list that is no text",
        _listed(b"\xff\xfe\x00"),
        "val.txt: cannot be read (",
        "allowed: a list of names",
    ),
    _spoilt(
        "a name that leads out",
        _listed("../../etc/passwd"),
        "val.txt: name: found '../../etc/passwd', allowed: names without",
    ),
    _spoilt(
        "a name of nothing", _listed("z"), "z.jpg: found no such file, allowed: a picture for every name"
    ),
    _spoilt("a name of 5,000 letters", _listed("z" * 5000), "val.txt: name: found 'zzz", "allowed: names"),
    _spoilt(
        "no mask",
        lambda root: _first_mask(root).unlink(),
        "a.png: found no such file, allowed: a mask for every name",
    ),
    _spoilt(
        "a mask of another size",
        lambda root: _mask(_first_mask(root), 1, 16),
        "a.png: size: found 16 × 16, allowed: 32 × 32",
    ),
    _spoilt(
        "a mask of an unknown class",
        lambda root: _mask(_first_mask(root), 9),
        "a.png: class: found 9, allowed: 0 to 1",
    ),
    _spoilt(
        "a mask in colour",
        lambda root: _mask(_first_mask(root), 1, mode="RGB"),
        "a.png: mode: found RGB, allowed: P or L",
    ),
    _spoilt(
        "a mask that is a text",
        lambda root: _first_mask(root).write_text("x"),
        "a.png: mask: found none (",
        "a readable mask",
    ),
    _spoilt(
        "a picture that is a pickle payload",
        lambda root: (root / "JPEGImages" / "b.jpg").write_bytes(pickle.dumps(opens_canary(root.parent))),
        "b.jpg: picture: found none (",
        "a readable picture",
    ),
)


def _document() -> dict[str, Any]:
    segment = {"id": 5, "category_id": 3, "iscrowd": 0}
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": _SIDE, "height": _SIDE}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": [segment]}],
        "categories": [{"id": 3, "name": "ball", "isthing": 1}],
    }


def _coco(name: str, spoil: Callable[[Path], object], *line: str) -> Case:
    """A data set of one picture, read and checked as before a run."""

    def run(folder: Path) -> None:
        from trionet_nni.segmentation.panoptic.coco_panoptic import CocoPanoptic

        (folder / "pictures").mkdir()
        (folder / "panoptic").mkdir()
        Image.new("RGB", (_SIDE, _SIDE)).save(folder / "pictures" / "a.jpg")
        Image.new("RGB", (_SIDE, _SIDE), (5, 0, 0)).save(folder / "panoptic" / "a.png")
        path = write_json(folder / "panoptic.json", _document())
        spoil(path)
        data = CocoPanoptic(path, folder / "pictures")
        data.check_sizes()
        data.read(0)

    return Case(_COCO, name, "trionet segment train", run, says(*line))


def _json(name: str, field: str, value: Any, *line: str) -> Case:
    return _coco(
        name, lambda path: write_json(path, changed(_document(), (field, value))), "panoptic.json: ", *line
    )


_SEGMENT = "annotations.0.segments_info.0"
DOCUMENTS = (
    _coco(
        "a pickle payload",
        lambda path: path.write_bytes(pickle.dumps(opens_canary(path.parent))),
        "found no JSON (",
    ),
    _coco(
        "nesting",
        lambda path: path.write_text("[" * 100_000),
        "found no JSON (lists or objects nested too deeply",
    ),
    _coco("a list", lambda path: path.write_text("[]"), "found a list, allowed: a JSON object"),
    _coco(
        "a key twice",
        lambda path: path.write_text('{"images": [], "images": []}'),
        "'images' stands there twice",
    ),
    _json("no images", "images", DELETE, "images: found nothing, allowed: a list"),
    _json(
        "a name that leads out",
        "images.0.file_name",
        "../a.jpg",
        "file_name: found '../a.jpg', allowed: a name without",
    ),
    _json(
        "an absolute name",
        "annotations.0.file_name",
        "/etc/passwd",
        "file_name: found '/etc/passwd', allowed: a name",
    ),
    _json(
        "a text for a size", "images.0.width", "32", "images[0].width: found '32', allowed: a whole number"
    ),
    _json("a size of nothing", "images.0.height", 0, "found 32 × 0, allowed: 1 × 1 or more"),
    _json("no category", "categories", [], "categories: found 0, allowed: 1 to"),
    _json(
        "a category twice",
        "categories",
        _document()["categories"] * 2,
        "categories[1].id: found 3 a second time",
    ),
    _json(
        "an unknown category",
        f"{_SEGMENT}.category_id",
        4,
        "category_id: found 4, allowed: an id of `categories`",
    ),
    _json("an id of four bytes", f"{_SEGMENT}.id", 2**24, "id: found 16777216, allowed: 1 to 16777215"),
    _json("2 for a flag", f"{_SEGMENT}.iscrowd", 2, "iscrowd: found 2, allowed: 0 or 1"),
    _json("an unknown image", "annotations.0.image_id", 2, "image_id: found 2, allowed: an id of `images`"),
    _json(
        "an image twice", "annotations", _document()["annotations"] * 2, "image_id: found 1 a second time"
    ),
    _json("a number for an annotation", "annotations.0", 7, "annotations[0]: found 7, allowed: an object"),
    _coco(
        "another size than the picture's",
        lambda path: write_json(path, changed(_document(), ("images.0.width", 64))),
        "a.jpg: size: found 32 × 32, allowed: 64 × 32",
    ),
    _coco(
        "an id that no pixel has",
        lambda path: write_json(path, changed(_document(), (f"{_SEGMENT}.id", 6))),
        "a.png: id: found 5, allowed: ids in segments_info of image 1",
    ),
)


def _opened(name: str, file: str, content: str | Callable[[Path], bytes], *line: str) -> Case:
    """A file of a finished run's folder."""

    def run(folder: Path) -> int:
        root = folder / "run"
        _finished_run(root)
        data = content.encode() if isinstance(content, str) else content(folder)
        (root / file).write_bytes(data)
        picture = folder / "p.png"
        Image.new("RGB", (_SIDE, _SIDE)).save(picture)
        return main(["segment", "predict", str(root), str(picture), "-o", str(folder / "out")])

    return Case(_FINISHED, name, "trionet segment predict", run, says(f"{file}: ", *line))


def _finished_run(root: Path) -> None:
    """A run's folder as training leaves it, without having trained."""
    from safetensors.torch import save_file

    from trionet_nni.segmentation.file import read_config
    from trionet_nni.segmentation.folder import RunFolder
    from trionet_nni.segmentation.registry import build_task
    from trionet_nni.segmentation.shared.backbone import build_backbone

    _voc(root.parent)
    config = read_config(write_yaml(root.parent / "run.yml", _settings(root.parent)))
    root.mkdir()
    backbone = build_backbone(config.backbone)
    task = build_task(config, backbone)
    folder = RunFolder(root)
    folder.begin(config, backbone, task)
    save_file({name: x.contiguous() for name, x in task.model.state_dict().items()}, folder.weights)


_UNUSABLE = "found no usable network ("
FINISHED = (
    _opened(
        "weights that are a pickle payload",
        "weights.safetensors",
        lambda folder: pickle.dumps(opens_canary(folder)),
        "found no readable weights",
    ),
    _opened("no backbone", "network.json", '{"labels": ["a", "b"]}', _UNUSABLE, "allowed: a run's"),
    _opened("a list for the network", "network.json", "[]", _UNUSABLE, "allowed: a run's"),
    _opened("a network that nests", "network.json", "[" * 100_000, "nested too deeply", "allowed: a run's"),
    _opened(
        "settings that call Python",
        "segment.yml",
        "a: !!python/object/apply:os.system [touch canary]\n",
        "found no readable YAML",
    ),
)

CASES = (*RUNS, *FOLDERS, *DOCUMENTS, *FINISHED)
