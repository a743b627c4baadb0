"""Semantic segmentation of a VOC folder: DeepLabV3, cross entropy, mean intersection over union."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from trionet_nni.data.seeding import seed_of
from trionet_nni.network.trionet import TrioNet
from trionet_nni.segmentation.semantic.augment import augmented
from trionet_nni.segmentation.semantic.model import DeepLabV3
from trionet_nni.segmentation.semantic.voc import VOID, VocPicture, check, read_list
from trionet_nni.segmentation.semantic.writer import MaskWriter
from trionet_nni.segmentation.shared.backbone import Backbone
from trionet_nni.segmentation.shared.colours import painted
from trionet_nni.segmentation.shared.config import HeadConfig, SegmentationConfig
from trionet_nni.segmentation.shared.picture import open_mask, open_picture, to_tensor
from trionet_nni.segmentation.shared.task import Batch, TaskEntry


def build(
    config: SegmentationConfig, backbone: Backbone, description: dict[str, Any] | None = None
) -> Semantic:
    """The task of a run; see `segmentation.task`.

    Raises:
        InputError: a list, picture or mask is missing, damaged, or does not fit.
    """
    if description is not None:
        return Semantic(config, backbone, tuple(description["classes"]))
    data = config.data
    root = Path(data.root)
    lists = [read_list(root, name, data.masks, data.images) for name in (data.train, data.validation)]
    check(lists[0] + lists[1], len(data.classes))
    return Semantic(config, backbone, data.classes, *lists)


def build_model(backbone: TrioNet, classes: int, head: HeadConfig) -> DeepLabV3:
    """The network alone, e.g. to count it."""
    return DeepLabV3(backbone, classes, head)


class Semantic:
    """`SegmentationTask` whose prediction is the class of every pixel, uint8 [H, W].

    Args:
        classes: names, the background first.
        train: pictures with masks that have been checked.
        validation: likewise.
    """

    score = "mIoU"

    def __init__(
        self,
        config: SegmentationConfig,
        backbone: Backbone,
        classes: tuple[str, ...],
        train: tuple[VocPicture, ...] = (),
        validation: tuple[VocPicture, ...] = (),
    ) -> None:
        self.config, self.backbone, self.classes = config, backbone, classes
        self.train, self.validation = train, validation
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.recipe.seed, "head"))
            self.model = build_model(backbone.network, len(classes), config.head)
        settings: dict[str, Any] = {"num_classes": len(classes), "ignore_index": VOID}
        settings["sync_on_compute"] = False  # one process measures; others of its training do not come
        self._mean = MulticlassJaccardIndex(average="macro", **settings)
        self._each = MulticlassJaccardIndex(average="none", **settings)
        self._accuracy = MulticlassAccuracy(average="micro", **settings)

    @property
    def training_pictures(self) -> int:
        """How many there are; 0 in a task that can only predict."""
        return len(self.train)

    @property
    def validation_pictures(self) -> int:
        """How many there are; 0 in a task that can only predict."""
        return len(self.validation)

    def description(self) -> dict[str, Any]:
        """Names of the classes in the order of the labels."""
        return {"classes": list(self.classes)}

    def identity(self) -> str:
        """Hash of the training pictures' names and of the classes."""
        text = "\n".join((*self.classes, "", *(picture.name for picture in self.train)))
        return hashlib.sha256(text.encode()).hexdigest()

    def example(self, index: int, generator: torch.Generator) -> Batch:
        """{"image": float32 [3, S, S], "mask": int64 [S, S]} of one training picture."""
        picture = self.train[index]
        image, mask = open_picture(picture.image), open_mask(picture.mask)
        pixels, classes = augmented(image, mask, self.config.recipe, self.backbone, generator)
        return {"image": pixels, "mask": classes}

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean cross entropy of the pixels that are not void; 0 where all are."""
        logits, mask = self.model(batch["image"]), batch["mask"]
        summed = F.cross_entropy(logits, mask, ignore_index=VOID, reduction="sum")
        known = mask != VOID
        correct = (logits.detach().argmax(1) == mask).logical_and_(known).sum()
        count = known.sum().clamp(min=1)
        return {"loss": summed / count, "pixel accuracy": correct / count}

    def validation_picture(self, index: int) -> tuple[str, Tensor]:
        """Name without suffix, and pixels, uint8 [3, H, W]."""
        picture = self.validation[index]
        return picture.name, to_tensor(open_picture(picture.image))

    def truth(self, index: int) -> Tensor:
        """The mask, 255 where it is void."""
        return to_tensor(open_mask(self.validation[index].mask))

    @torch.inference_mode()
    def predict(self, pixels: Tensor) -> Tensor:
        """The likeliest class of every pixel, at the picture's own size and one scale.

        A picture smaller than the training crops is padded with the mean colour to their size, as the crops
        are, and the rest is cut off again.
        """
        height, width = pixels.shape[1:]
        side, device = self.config.recipe.crop_size, next(self.model.parameters()).device
        image = self.backbone.normalize(pixels.to(device))
        image = F.pad(image, (0, max(0, side - width), 0, max(0, side - height)))
        classes: Tensor = self.model(image[None])[0, :, :height, :width].argmax(0)
        return classes.to(torch.uint8).cpu()

    def update(self, index: int, prediction: Tensor) -> None:
        """Count one validation picture; void pixels count neither way."""
        truth = self.truth(index).long()
        for metric in (self._mean, self._each, self._accuracy):
            metric.update(prediction.long(), truth)

    def compute(self) -> dict[str, float]:
        """Mean IoU over the classes that occur, pixel accuracy, IoU of each class; in percent."""
        each = dict(zip(self.classes, self._each.compute().tolist(), strict=True))
        result = {
            "mIoU": 100 * self._mean.compute().item(),
            "pixel accuracy": 100 * self._accuracy.compute().item(),
            **{f"IoU/{name}": 100 * value for name, value in each.items()},
        }
        for metric in (self._mean, self._each, self._accuracy):
            metric.reset()
        return result

    def overlay(self, pixels: Tensor, prediction: Tensor) -> Tensor:
        """The picture with all classes but the background in colour."""
        return painted(pixels, prediction)

    def writer(self, folder: Path) -> MaskWriter:
        """A writer of class maps and overlays, a PNG each, into a folder."""
        return MaskWriter(folder)


TASK = TaskEntry("semantic", build, build_model, "voc", 512, 21, 2, "ASPP normalizes one value an image")
