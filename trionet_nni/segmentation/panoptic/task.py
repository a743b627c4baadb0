"""Panoptic segmentation of a COCO folder: Panoptic-DeepLab and COCO's panoptic quality (section 4.4)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from trionet_nni.data.seeding import seed_of
from trionet_nni.errors import InputError
from trionet_nni.network.trionet import TrioNet
from trionet_nni.segmentation.panoptic.coco_format import CocoWriter
from trionet_nni.segmentation.panoptic.coco_json import read_categories
from trionet_nni.segmentation.panoptic.coco_panoptic import CocoPanoptic
from trionet_nni.segmentation.panoptic.grouping import Grouping, group
from trionet_nni.segmentation.panoptic.layers import resize
from trionet_nni.segmentation.panoptic.losses import panoptic_loss
from trionet_nni.segmentation.panoptic.model import PanopticDeepLab, Prediction
from trionet_nni.segmentation.panoptic.overlay import overlay
from trionet_nni.segmentation.panoptic.panoptic import Categories, Panoptic
from trionet_nni.segmentation.panoptic.panoptic_crop import (
    crop_pixels,
    crop_segments,
    random_view,
    whole_view,
)
from trionet_nni.segmentation.panoptic.quality import CocoPanopticQuality
from trionet_nni.segmentation.panoptic.targets import Targets, panoptic_targets
from trionet_nni.segmentation.shared.backbone import Backbone
from trionet_nni.segmentation.shared.config import DataConfig, HeadConfig, SegmentationConfig
from trionet_nni.segmentation.shared.picture import to_tensor
from trionet_nni.segmentation.shared.task import Batch, TaskEntry


def build(
    config: SegmentationConfig, backbone: Backbone, description: dict[str, Any] | None = None
) -> PanopticTask:
    """The task of a run; see `segmentation.task`.

    Raises:
        InputError: a JSON cannot be used, a file is missing or of another size, the two sets differ in
            their categories, or the backbone has not four stages.
    """
    if description is not None:
        return PanopticTask(config, backbone, read_categories(description, Path("description")))
    train, validation = (
        open_split(config.data, name) for name in (config.data.train, config.data.validation)
    )
    for split in (train, validation):
        split.check_sizes()
    if train.categories.all != validation.categories.all:
        raise InputError(f"{validation.path}: categories: found other ones, allowed: those of {train.path}")
    return PanopticTask(config, backbone, train.categories, train, validation)


def build_model(backbone: TrioNet, classes: int, head: HeadConfig | None = None) -> PanopticDeepLab:
    """The network alone, e.g. to count it; `head` has nothing to say here."""
    return PanopticDeepLab(backbone, classes)


def open_split(data: DataConfig, name: str) -> CocoPanoptic:
    """`<root>/annotations/<name>.json` or `<root>/<name>.json`, the PNG folder beside it, and the pictures.

    The pictures lie in `<root>/<data.images>`; in COCO's own folders where that is None: `train2017` for
    `panoptic_train2017`.
    """
    root = Path(data.root)
    path = root / "annotations" / f"{name}.json"
    if not path.exists() and (root / path.name).exists():
        path = root / path.name
    return CocoPanoptic(path, root / (data.images or name.removeprefix("panoptic_")))


class PanopticTask:
    """`SegmentationTask` whose prediction is a `Panoptic`.

    Pictures are scaled so that their longer side fills the square crop; in training times a random scale.

    Args:
        train: None in a task that only predicts.
        validation: likewise.
    """

    score = "PQ"

    def __init__(
        self,
        config: SegmentationConfig,
        backbone: Backbone,
        categories: Categories,
        train: CocoPanoptic | None = None,
        validation: CocoPanoptic | None = None,
    ) -> None:
        self.config, self.backbone, self.categories = config, backbone, categories
        self.train, self.validation = train, validation
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.recipe.seed, "head"))
            self.model = build_model(backbone.network, len(categories))
        settings = config.panoptic
        self._rule = Grouping(threshold=settings.threshold, stuff_area=settings.stuff_area)
        # One process measures; others of its training do not come.
        self._quality = CocoPanopticQuality(categories.things, sync_on_compute=False)

    @property
    def training_pictures(self) -> int:
        """How many there are; 0 in a task that can only predict."""
        return len(self.train or ())

    @property
    def validation_pictures(self) -> int:
        """How many there are; 0 in a task that can only predict."""
        return len(self.validation or ())

    def description(self) -> dict[str, Any]:
        """The categories, as COCO's JSON has them."""
        return {"categories": self.categories.to_list()}

    def identity(self) -> str:
        """Hash of the training pictures' names and of the categories."""
        names = [record.image.name for record in self.train or ()]
        text = "\n".join((*map(str, self.categories.all), "", *names))
        return hashlib.sha256(text.encode()).hexdigest()

    def example(self, index: int, generator: torch.Generator) -> Batch:
        """Network input, "image", float32 [3, S, S], and the fields of `Targets`, of one picture."""
        assert self.train is not None
        recipe = self.config.recipe
        image, panoptic = self.train.read(index)
        view = random_view(*image.size, recipe.crop_size, generator, recipe.scale, recipe.flip)
        pixels = crop_pixels(image, view, recipe.crop_size, self._fill())
        shown = crop_segments(panoptic, view, recipe.crop_size)
        targets = panoptic_targets(shown, self.categories.things, self.config.panoptic.sigma)
        return {"image": self.backbone.normalize(pixels), **targets._asdict()}

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The sum of the three losses, and each of them."""
        prediction: Prediction = self.model(batch["image"])
        losses = panoptic_loss(prediction, Targets(*(batch[name] for name in Targets._fields)))
        return {"loss": losses.total, **losses._asdict()}

    def validation_picture(self, index: int) -> tuple[str, Tensor]:
        """Name without suffix, and pixels, uint8 [3, H, W]."""
        assert self.validation is not None
        return self.validation[index].image.stem, to_tensor(self.validation.picture(index))

    def truth(self, index: int) -> Panoptic:
        """The annotated segments, crowds among them."""
        assert self.validation is not None
        return self.validation.panoptic(index)

    @torch.inference_mode()
    def predict(self, pixels: Tensor) -> Panoptic:
        """Segments at the picture's own size."""
        height, width = pixels.shape[1:]
        side, device = self.config.recipe.crop_size, next(self.model.parameters()).device
        view = whole_view(width, height, side)
        image = Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())
        shown = crop_pixels(image, view, side, self._fill())
        raw: Prediction = self.model(self.backbone.normalize(shown.to(device))[None])
        semantic, centre, offset = (part[0, ..., : view.height, : view.width] for part in raw)
        labels = resize(semantic[None], (height, width))[0].argmax(0)
        ratio = torch.tensor((height / view.height, width / view.width), device=device)
        way = resize(offset[None], (height, width))[0] * ratio[:, None, None]
        found = group(labels, centre, way, self.categories.things.to(device), self._rule)
        return Panoptic(found.ids.cpu(), found.segments)

    def update(self, index: int, prediction: Panoptic) -> None:
        """Count a prediction against the truth of one validation picture."""
        self._quality.update(prediction, self.truth(index))

    def compute(self) -> dict[str, float]:
        """PQ, SQ and RQ, of all classes, things and stuff; in percent."""
        result: dict[str, float] = self._quality.compute()
        self._quality.reset()
        return result

    def overlay(self, pixels: Tensor, prediction: Panoptic) -> Tensor:
        """The picture with its segments in colour."""
        return overlay(pixels, prediction)

    def writer(self, folder: Path) -> CocoWriter:
        """COCO's own format, and overlays."""
        known = {record.image.stem: record for record in self.validation or ()}
        return CocoWriter(folder, self.categories, known)

    def _fill(self) -> tuple[int, ...]:
        """The mean colour, which the network sees as zero."""
        return tuple((255 * self.backbone.mean).round().int().tolist())


TASK = TaskEntry("panoptic", build, build_model, "coco-panoptic", 640, 133)
