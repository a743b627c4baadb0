"""Strong colour jitter, for data sets that are small and easy to overfit (appendix A).

The paper gives no strengths; these are the "strong" ones of ProxylessNAS (Cai et al. 2019): brightness,
contrast and saturation by up to 0.4, hue by up to a tenth of the circle.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

_STRENGTH = 0.4
_HUE = 0.1


def jitter(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Change the colours of every image by its own random factors.

    Shape: uint8 [B, 3, S, S] → the same; images of one channel keep saturation and hue.
    """
    factors = 1 + _STRENGTH * (2 * torch.rand(len(pixels), 3, generator=generator) - 1)
    hues = _HUE * (2 * torch.rand(len(pixels), generator=generator) - 1)
    rows = zip(pixels, factors, hues.tolist(), strict=True)
    return torch.stack([_changed(image, factor, hue) for image, factor, hue in rows])


def _changed(image: Tensor, factors: Tensor, hue: float) -> Tensor:
    brightness, contrast, saturation = factors.tolist()
    image = functional.adjust_contrast(functional.adjust_brightness(image, brightness), contrast)
    if image.shape[0] == 1:
        return image
    changed: Tensor = functional.adjust_hue(functional.adjust_saturation(image, saturation), hue)
    return changed
