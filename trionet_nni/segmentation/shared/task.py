"""What a segmentation task is to the training loop, the evaluation and the prediction.

Life cycle. `build(config, backbone)` of the task's module checks all files and gives a task, whose
`description()` is kept with the weights; `build(config, backbone, description)` gives the same task later
without any data, for prediction. Training asks for `example`s, stacks them to batches and minimizes `loss`.
Evaluation asks for every validation picture's `predict`ion, hands it to `update` and ends with `compute`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from trionet_nni.network.trionet import TrioNet
from trionet_nni.segmentation.shared.backbone import Backbone
from trionet_nni.segmentation.shared.config import HeadConfig, SegmentationConfig

Prediction = TypeVar("Prediction")  # of one picture: a class map, a panoptic map
Batch = dict[str, Tensor]


class Writer(Protocol[Prediction]):  # type: ignore[misc]  # the task both makes and takes predictions
    """Writes the files of predictions, picture by picture."""

    def add(self, name: str, pixels: Tensor, prediction: Prediction) -> None:
        """Write one picture's files.

        Args:
            name: of the picture, without a suffix; the files are called after it.
            pixels: the picture, uint8 [3, H, W].
        """

    def close(self) -> None:
        """Write what can only be written at the end."""


class SegmentationTask(Protocol[Prediction]):
    """A network, its loss and its metric on one data set.

    Attributes:
        score: the key of `compute` that counts, e.g. "mIoU"; larger is better.
    """

    score: str

    @property
    def model(self) -> nn.Module:
        """All that is trained; [B, 3, H, W] of normalized pixels → what the task's loss takes."""

    @property
    def training_pictures(self) -> int:
        """How many there are; 0 in a task without data."""

    @property
    def validation_pictures(self) -> int:
        """How many there are; 0 in a task without data."""

    def description(self) -> dict[str, Any]:
        """What prediction must know beside the weights, e.g. the classes; has a JSON form."""

    def identity(self) -> str:
        """A text that changes with the training pictures, so that another run's checkpoint is refused."""

    def example(self, index: int, generator: torch.Generator) -> Batch:
        """An augmented training crop, of the same shapes whatever the index.

        All chance comes from `generator`: a resumed run sees the same crops. May run in another process.
        """

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Run the model on stacked examples; the entry "loss" is minimized, all are logged."""

    def validation_picture(self, index: int) -> tuple[str, Tensor]:
        """Name without suffix, and pixels, uint8 [3, H, W]."""

    def truth(self, index: int) -> Prediction:
        """What a perfect prediction of a validation picture is, as far as it is known."""

    def predict(self, pixels: Tensor) -> Prediction:
        """Segment one picture, uint8 [3, H, W], of any size; the model is in evaluation mode."""

    def update(self, index: int, prediction: Prediction) -> None:
        """Count a prediction against the truth of one validation picture."""

    def compute(self) -> dict[str, float]:
        """Metrics of all pictures counted so far, each from 0 to 100, and start anew."""

    def overlay(self, pixels: Tensor, prediction: Prediction) -> Tensor:
        """The picture with its segments in colour, uint8 [3, H, W]."""

    def writer(self, folder: Path) -> Writer[Prediction]:
        """A writer of prediction files into a folder."""


@dataclass(frozen=True)
class TaskEntry:
    """What a run's file names as its task.

    Attributes:
        name: as `task` of a run's file says it.
        build: the task of a run; see above.
        build_model: its network alone, to be counted: from a backbone, the number of classes and the head.
        format: of the data that it learns from, as `data.format` names it.
        size, classes: side of the images in pixels, and number of classes, that Table 6 counts with.
        smallest_batch, smallest_batch_reason: pictures that a training step needs, and why.
    """

    name: str
    build: Callable[[SegmentationConfig, Backbone, dict[str, Any] | None], SegmentationTask[Any]]
    build_model: Callable[[TrioNet, int, HeadConfig], nn.Module]
    format: str
    size: int
    classes: int
    smallest_batch: int = 1
    smallest_batch_reason: str = ""
