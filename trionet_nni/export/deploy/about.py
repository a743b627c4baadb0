"""What a file for another runtime says of itself: how pictures become its input, and what comes out."""

from __future__ import annotations

import json

from trionet_nni.export.exported import ExportedNetwork
from trionet_nni.version import __version__

IMAGE, LOGITS = "image", "logits"  # names of the input and of the output


def about(network: ExportedNetwork) -> dict[str, str]:
    """Metadata of a file, text by name: strings as they are, everything else as JSON.

    `mean` and `std` are of pixels in [0, 1], per channel; `margin` is the side of the middle square that is
    seen ÷ the shorter side of the picture.
    """
    see = network.preprocess
    facts = {
        "classes": network.classes,
        "image_size": see.image_size,
        "channels": see.channels,
        "margin": see.margin,
        "mean": see.mean,
        "std": see.std,
        "architecture": network.architecture.to_dict(),
    }
    told = {name: json.dumps(value) for name, value in facts.items()}
    return {**told, "input": IMAGE, "output": LOGITS, "producer": f"trionet-nni {__version__}"}
