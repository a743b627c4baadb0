"""Files of semantic predictions: masks in VOC's own format, and overlays to look at."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from torch import Tensor

from trionet_nni.segmentation.shared.colours import painted, palette


class MaskWriter:
    """Writes `masks/<name>.png`, one byte a pixel with VOC's palette, and `overlays/<name>.png`."""

    def __init__(self, folder: Path) -> None:
        self.masks, self.overlays = folder / "masks", folder / "overlays"
        for made in (self.masks, self.overlays):
            made.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, pixels: Tensor, prediction: Tensor) -> None:
        """Write one picture's two files; the prediction is its classes, uint8 [H, W]."""
        mask = Image.fromarray(prediction.cpu().numpy()).convert("P")
        mask.putpalette(palette().flatten().tolist())
        mask.save(self.masks / f"{name}.png")
        overlay = painted(pixels, prediction).permute(1, 2, 0)
        Image.fromarray(overlay.numpy()).save(self.overlays / f"{name}.png")

    def close(self) -> None:
        """Nothing is left to write."""
