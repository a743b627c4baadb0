"""`trionet onnx`: a network as one file for other runtimes, checked at once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command
from trionet_nni.commands.evaluate import add_weights
from trionet_nni.errors import InputError

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands

_FORMATS = ("onnx", "pt2", "safetensors")


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "onnx",
        _run,
        "Write a network as one file for onnxruntime and others, and check it.",
        "trionet onnx out/1 -o net.onnx --int8",
    )
    parser.add_argument("export", type=Path, help="exported folder, e.g. out/1")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the file, e.g. net.onnx")
    add_weights(parser)
    parser.add_argument("--dynamic-size", action="store_true", help="take images of any height and width")
    text = "write a second file in int8, calibrated on recalibration images: net.int8.onnx"
    parser.add_argument("--int8", action="store_true", help=text)
    text = "onnx, pt2 (torch.export) or safetensors (default: by the name of the file)"
    parser.add_argument("--format", choices=_FORMATS, help=text)


def _run(options: argparse.Namespace) -> int:
    kind = options.format or options.out.suffix.lstrip(".")
    if kind not in _FORMATS:
        raise InputError(f"{options.out}: --format: found {kind!r}, allowed: {', '.join(_FORMATS)}")
    if options.out.is_dir():
        raise InputError(f"{options.out}: -o: found a folder, allowed: a file")
    if options.int8 and kind != "onnx":
        raise InputError(f"--int8: found {kind}, allowed: with the format onnx")
    from trionet_nni.export.deploy.deploy import deploy, print_deployed
    from trionet_nni.training.process import prepare_process

    prepare_process()
    found = deploy(
        options.export,
        options.out,
        kind,
        weights=options.weights,
        dynamic_size=options.dynamic_size,
        int8=options.int8,
    )
    print_deployed(found)
    return 0
