"""DeepLab's augmentation: scale, crop, mirror; all chance from one generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from trionet_nni.segmentation.semantic.voc import VOID
from trionet_nni.segmentation.shared.backbone import Backbone
from trionet_nni.segmentation.shared.config import RecipeConfig
from trionet_nni.segmentation.shared.picture import to_tensor


def augmented(
    image: Image.Image,
    mask: Image.Image,
    recipe: RecipeConfig,
    backbone: Backbone,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """One square crop.

    What the scaled picture does not cover is the mean colour and void.

    Returns:
        Network input, float32 [3, S, S], and classes, int64 [S, S], with S = `recipe.crop_size`.
    """
    low, high = recipe.scale
    scale, across, down, mirrored = torch.rand(4, generator=generator).tolist()
    scale = low + (high - low) * scale
    crop = recipe.crop_size
    whole = [max(1, round(side * scale)) for side in image.size]
    width, height = (min(side, crop) for side in whole)
    left, top = round(across * (whole[0] - width)), round(down * (whole[1] - height))
    # Only the part that is kept is scaled: its place in the picture, in the picture's own pixels.
    fx, fy = image.size[0] / whole[0], image.size[1] / whole[1]
    box = (left * fx, top * fy, (left + width) * fx, (top + height) * fy)
    pixels = to_tensor(image.resize((width, height), Image.Resampling.BILINEAR, box))
    classes = to_tensor(mask.resize((width, height), Image.Resampling.NEAREST, box)).long()
    if recipe.flip and mirrored < 0.5:
        pixels, classes = pixels.flip(-1), classes.flip(-1)
    rest = (0, crop - width, 0, crop - height)
    return F.pad(backbone.normalize(pixels), rest), F.pad(classes, rest, value=VOID)
