"""A segmentation run's file, validated: `experiments/voc.yml` and its like. NNI has no part in it.

Where the paper (section 4.4 and appendix, "Segmentation") is silent, the defaults are DeepLab's: the
learning rate falls as (1 − step ÷ iterations)^0.9 and images are scaled by 0.5 to 2, cropped and flipped
(Chen et al., arXiv:1706.05587, section 4; Cheng et al., CVPR 2020, section 4, for panoptic segmentation).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from trionet_nni.errors import InputError, shown
from trionet_nni.files.atomic import write_text
from trionet_nni.files.text import reason
from trionet_nni.settings.project import Seed, read_yaml
from trionet_nni.settings.section import Section as _Section
from trionet_nni.settings.section import refused

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)


class BackboneConfig(_Section):
    """The network that the heads stand on."""

    network: str  # a baseline's name, an architecture file, or a folder that trionet export wrote
    # none; of an exported folder: supernet, retrained, finetuned; or a safetensors file of a classifier
    weights: str = "none"
    stem: Literal["plain", "deep"] = "plain"  # deep: three 3×3 convolutions (V1c), as Table 6 counts
    # Side of the weights' images, pixels; None: the network's
    image_size: int | None = Field(None, ge=8, le=4096)


class DataConfig(_Section):
    """Pictures with their truth.

    A relative root starts at the configuration file's folder.
    """

    format: Literal["voc", "coco-panoptic"] = "voc"
    root: str
    # voc: <root>/JPEGImages/<name>.jpg, <root>/<one of masks>/<name>.png, names from
    # <root>/ImageSets/Segmentation/<train or validation>.txt.
    # coco-panoptic: <root>/annotations/<train or validation>.json with its PNG folder beside it.
    train: str = "trainaug"
    validation: str = "val"
    images: str | None = None  # folder of the pictures; None: the format's own
    masks: tuple[str, ...] = ("SegmentationClass", "SegmentationClassAug")  # the first that has the file
    # voc: name of each value of a mask; 255 is void.
    classes: tuple[str, ...] = Field(VOC_CLASSES, min_length=2, max_length=255)
    workers: int = Field(0, ge=0, le=256)  # processes that prepare batches


class HeadConfig(_Section):
    """DeepLabV3's head."""

    channels: int = Field(512, ge=1, le=65_536)  # of each branch of ASPP
    # Dilations of ASPP; None: 96, 192, 288 pixels of the image
    rates: tuple[Annotated[int, Field(ge=1, le=1024)], ...] | None = Field(None, min_length=1)
    dropout: float = Field(0.1, ge=0, lt=1)  # before the last convolution


class PanopticConfig(_Section):
    """Panoptic-DeepLab's targets and grouping; the paper's numbers are for crops of 640 pixels."""

    sigma: float = Field(8.0, gt=0)  # of a centre's Gaussian, pixels of the crop
    threshold: float = Field(0.1, gt=0, lt=1)  # smallest heat of a centre
    stuff_area: int = Field(4096, ge=0)  # smallest area of a kind of stuff, pixels of the picture


class RecipeConfig(_Section):
    """Optimizer, schedule and augmentation."""

    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = Field(0.01, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)  # sgd
    weight_decay: float = Field(5e-4, ge=0)
    batch_size: int = Field(16, ge=1)
    iterations: int = Field(20_000, ge=1, le=10**9)
    schedule: Literal["poly", "cosine"] = "poly"
    power: float = Field(0.9, gt=0)  # of poly
    crop_size: int = Field(512, ge=16, le=8192)  # side of the square crops, pixels
    # Of the picture before the crop, drawn uniformly. coco-panoptic: 1 lets its longer side fill the crop.
    scale: tuple[float, float] = (0.5, 2.0)
    flip: bool = True  # half of the crops, left to right
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    seed: Seed = 0

    @model_validator(mode="after")
    def _ordered(self) -> RecipeConfig:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError("scale must be two positive factors, the smaller one first")
        return self


class SegmentationConfig(_Section):
    """One run: what is learnt, on what, from which weights."""

    task: Literal["semantic", "panoptic"]
    backbone: BackboneConfig
    data: DataConfig
    head: HeadConfig = HeadConfig()  # semantic
    panoptic: PanopticConfig = PanopticConfig()  # panoptic
    recipe: RecipeConfig = RecipeConfig()
    evaluate_every: int = Field(2_000, ge=1)  # iterations between evaluations
    validation_pictures: int | None = Field(None, ge=1)  # of the evaluations before the last; None: all
    checkpoint_minutes: float = Field(5, ge=0)

    @model_validator(mode="after")
    def _fitting(self) -> SegmentationConfig:
        expected = {"semantic": "voc", "panoptic": "coco-panoptic"}[self.task]
        if self.data.format != expected:
            raise ValueError(f"data.format must be {expected} for the task {self.task}")
        if self.task == "semantic" and self.recipe.batch_size < 2:
            raise ValueError("recipe.batch_size must be 2 or more: ASPP normalizes one value an image")
        return self


def parse_config(data: Any, source: str) -> SegmentationConfig:
    """Validate a document.

    Args:
        source: what messages begin with.

    Raises:
        InputError: one line for the first thing that is wrong.
    """
    try:
        return SegmentationConfig.model_validate(data)
    except ValidationError as error:
        raise refused(error, source, SegmentationConfig) from None


def read_config(path: Path) -> SegmentationConfig:
    """Read a run's file; relative paths in it become ones from its folder.

    Raises:
        InputError: one line that names the file, the field, what was found and what is allowed.
    """
    config = parse_config(read_yaml(path), str(path))
    base = path.resolve().parent
    root = _path(base, config.data.root, f"{path}: data.root")
    data = config.data.model_copy(update={"root": str(root)})
    named = {
        name: _beside(base, getattr(config.backbone, name), f"{path}: backbone.{name}")
        for name in ("network", "weights")
    }
    backbone = config.backbone.model_copy(update=named)
    return config.model_copy(update={"data": data, "backbone": backbone})


def _beside(base: Path, value: str, field: str) -> str:
    """A path from the file's folder, where there is one; names stay names."""
    path = _path(base, value, field)
    return str(path) if path.exists() else value


def _path(base: Path, value: str, field: str) -> Path:
    try:
        path = base / Path(value).expanduser()
        path.exists()
    except (RuntimeError, OSError) as error:  # an unknown ~user; 5,000 letters
        raise InputError(f"{field}: found {shown(value)} ({reason(error)}), allowed: a path") from None
    return path


def write_config(path: Path, config: SegmentationConfig) -> None:
    """Write a run's file that `read_config` reads back."""
    write_text(path, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
