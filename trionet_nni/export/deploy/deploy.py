"""`trionet onnx`: from an exported folder to files for other runtimes, with what they reach."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from trionet_nni.data.images import ImageSet
from trionet_nni.errors import InputError, say
from trionet_nni.export.card import Card, read_card
from trionet_nni.export.deploy.check import Checked, check, refuse_another
from trionet_nni.export.deploy.formats import FORMATS
from trionet_nni.export.exported import ExportedNetwork
from trionet_nni.export.load import load
from trionet_nni.export.own_images import calibration_images, test_images
from trionet_nni.export.weights import BEST, chosen_weights


def deploy(
    folder: str | Path,
    path: Path,
    kind: str,
    *,
    weights: str = BEST,
    dynamic_size: bool = False,
    int8: bool = False,
) -> list[Checked]:
    """Write a network as one file, and compare the file with the network.

    Args:
        kind: of `formats.FORMATS`.
        weights: as for `load`.
        dynamic_size: images of any height and width.
        int8: a second file beside it, `net.int8.onnx` of `net.onnx`.

    Returns:
        The network itself first (its weights' file), then every file that was written.

    Raises:
        InputError: one line about an unusable folder or set of weights; int8 without the data.
        RunFailed: the file does not compute what the network does.
    """
    folder = Path(folder)
    card = read_card(folder)
    file = chosen_weights(folder, card, weights)[1]
    network = load(folder, str(file))
    images = _images(folder, card, needed=int8)
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMATS[kind](network, path, dynamic_size)
    found = [_checked(network, network, file, images)]
    if kind != "safetensors":
        found.append(_checked(network, _opened(path, kind), path, images))
        refuse_another(found[-1])
    if int8:
        found.append(_checked(network, *_in_int8(folder, card, path), images))
    return found


def print_deployed(found: list[Checked]) -> None:
    """A row a file."""
    table = Table(title="The network, and the same as a file for other runtimes")
    for name in ("file", "MB", "largest difference", "accuracy", "loss"):
        table.add_column(name, justify="left" if name == "file" else "right", overflow="fold")
    for one in found:
        reached = one.scores
        numbers = ("", "") if reached is None else (f"{reached.accuracy:.4f}", f"{reached.loss:.4f}")
        table.add_row(str(one.path), f"{one.size / 1e6:.2f}", f"{one.difference:.1e}", *numbers)
    console = Console()
    console.print(table, markup=False)
    console.print("Difference: of a logit on random images, as a share of the largest.", highlight=False)


def _images(folder: Path, card: Card, *, needed: bool) -> ImageSet | None:
    """The test images; None where the data are not on this machine and can be done without."""
    try:
        return test_images(folder, card)
    except InputError as error:
        if needed:
            raise
        say(f"accuracy is not measured: {error}")
        return None


def _checked(network: ExportedNetwork, other: nn.Module, path: Path, images: ImageSet | None) -> Checked:
    see = network.preprocess
    return check(network, other, path, (see.channels, see.image_size, see.image_size), images)


def _opened(path: Path, kind: str) -> nn.Module:
    if kind == "pt2":
        return _Program(path)
    from trionet_nni.export.deploy.onnx_network import OnnxNetwork

    return OnnxNetwork(path)


def _in_int8(folder: Path, card: Card, source: Path) -> tuple[nn.Module, Path]:
    from trionet_nni.export.deploy.onnx_network import OnnxNetwork
    from trionet_nni.export.deploy.quantize import write_int8

    path = source.with_name(f"{source.stem}.int8{source.suffix}")
    write_int8(source, path, calibration_images(folder, card))
    return OnnxNetwork(path), path


class _Program(nn.Module):
    """A `torch.export` file as a network."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.graph = torch.export.load(path).module()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        logits: torch.Tensor = self.graph(x)
        return logits

    def train(self, mode: bool = True) -> _Program:
        """A program is what it was exported as: in evaluation mode."""
        return self
