"""An ONNX file as a network of ours, so that it is measured as every other one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from trionet_nni.export.deploy.about import IMAGE


class OnnxNetwork(nn.Module):
    """Runs a file in onnxruntime on the CPU.

    Shape: [B, C, S, S] → logits [B, classes].
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._anchor = nn.Parameter(torch.empty(0))  # says on which device it lives

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        (logits,) = self._session.run(None, {IMAGE: x.numpy()})
        return torch.from_numpy(logits)
