"""A segmentation run's file, validated: `experiments/voc.yml` and its like. NNI has no part in it.

Where the paper (section 4.4 and appendix, "Segmentation") is silent, the defaults are DeepLab's: the
learning rate falls as (1 − step ÷ iterations)^0.9 and images are scaled by 0.5 to 2, cropped and flipped
(Chen et al., arXiv:1706.05587, section 4; Cheng et al., CVPR 2020, section 4, for panoptic segmentation).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from trionet_nni.settings.loggers import LoggerName
from trionet_nni.settings.project import Seed
from trionet_nni.settings.section import Section as _Section

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
    """ASPP and the convolution after it: DeepLabV3's head (semantic segmentation only)."""

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
    """How a run is trained: optimizer, schedule, batches and augmentation."""

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

    task: str  # see trionet_nni.segmentation.registry
    backbone: BackboneConfig
    data: DataConfig
    head: HeadConfig = HeadConfig()  # semantic
    panoptic: PanopticConfig = PanopticConfig()  # panoptic
    recipe: RecipeConfig = RecipeConfig()
    evaluate_every: int = Field(2_000, ge=1)  # iterations between evaluations
    validation_pictures: int | None = Field(None, ge=1)  # of the evaluations before the last; None: all
    checkpoint_minutes: float = Field(5, ge=0)
    logger: LoggerName = "tensorboard"  # of curves and pictures, as Lightning's
    # GPUs that train it together, or processes where there is none; each takes an equal share of a batch,
    # and its BN is over that share
    devices: int = Field(1, ge=1, le=1024)

    @field_validator("devices")
    @classmethod
    def _equal_shares(cls, devices: int, info: ValidationInfo) -> int:
        recipe = info.data.get("recipe")
        if recipe is not None and recipe.batch_size % devices:
            raise ValueError(f"a divisor of recipe.batch_size ({recipe.batch_size})")
        return devices
