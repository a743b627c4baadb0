"""One picture to one network input, as the images that a network was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from trionet_nni.data.decode import middle_square, read_image
from trionet_nni.data.images import normalized
from trionet_nni.errors import InputError


@dataclass(frozen=True)
class Preprocess:
    """Turns a picture, a PIL image or a file, into a network's input.

    Attributes:
        image_size: side of the input S, pixels.
        channels: 3 for RGB, 1 for grey.
        margin: side of the middle square that is seen ÷ shorter side of the picture.
        mean, std: of the training pixels in [0, 1], per channel.
    """

    image_size: int
    channels: int
    margin: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, picture: Image.Image | str | Path) -> Tensor:
        """Normalized pixels, float32 [channels, S, S].

        A file is decoded as in training; so is an image, but for large JPEGs, which are decoded from a file
        at a fraction of their size.

        Raises:
            InputError: the file is no readable image, or the network sees neither RGB nor grey.
        """
        self.check_channels()
        pixels = self._opened(picture) if isinstance(picture, Image.Image) else self._read(Path(picture))
        return normalized(pixels, torch.tensor(self.mean), torch.tensor(self.std))

    def check_channels(self) -> None:
        """Whether pictures can be turned into these channels.

        Raises:
            InputError: they cannot.
        """
        if self.channels not in (1, 3):
            raise InputError(f"channels: found {self.channels}, allowed for pictures: 1 (grey) or 3 (RGB)")

    def _read(self, path: Path) -> Tensor:
        return read_image(path, self.image_size, margin=self.margin, channels=self.channels)

    def _opened(self, image: Image.Image) -> Tensor:
        try:
            return middle_square(image, self.image_size, margin=self.margin, channels=self.channels)
        except (OSError, ValueError, SyntaxError) as error:  # an image may not have been decoded yet
            reason = " ".join(str(error).split())
            raise InputError(f"image: found none ({reason}), allowed: a readable image") from None
