"""Static int8 quantization of an ONNX file, calibrated on images; onnxruntime does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trionet_nni.data.images import ImageSet
from trionet_nni.export.deploy.about import IMAGE
from trionet_nni.files.atomic import replacing

_BATCH = 32
_MOST = 512  # images: ranges of activations change little with more


def write_int8(source: Path, path: Path, images: ImageSet) -> int:
    """Quantize weights (per output channel) and activations to int8; returns how many images calibrated it.

    Args:
        source: an ONNX file in float32.
        images: as the network sees them; the first 512 at most.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    count = min(_MOST, len(images))
    with TemporaryDirectory() as folder, replacing(path) as temporary:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(temporary),
            _Batches(images, count),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Seven bits: processors without VNNI add pairs of products in 16 bits, which eight overflow.
            # On one, the quickstart's network had 95.8 % in float32, 91.2 with eight bits, 95.8 with seven.
            reduce_range=True,
            op_types_to_quantize=[
                "Conv",
                "Gemm",
            ],  # attention stays in float32: it is a small part of the file
        )
    return count


class _Batches:
    """What onnxruntime calls a calibration data reader."""

    def __init__(self, images: ImageSet, count: int) -> None:
        self._batches: Iterator[Any] = (
            images.normalized(slice(start, min(start + _BATCH, count))).numpy()
            for start in range(0, count, _BATCH)
        )

    def get_next(self) -> dict[str, Any] | None:
        """The next batch by the name of its input; None after the last one."""
        batch = next(self._batches, None)
        return None if batch is None else {IMAGE: batch}
