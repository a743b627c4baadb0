"""`trionet new`: a ready experiment for a folder of pictures."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "new",
        _run,
        "Write a ready experiment for a folder of pictures, and say what was chosen.",
        "trionet new flowers --data pictures/flowers",
    )
    parser.add_argument("folder", type=Path, help="a new folder for the experiment")
    parser.add_argument("--data", type=Path, required=True, help="folder of the class folders")


def _run(options: argparse.Namespace) -> int:
    import torch

    from trionet_nni.experiment.new import new_experiment

    path, choice = new_experiment(options.folder, options.data, gpu=torch.cuda.is_available())
    print(f"Written: {path}")
    for sentence in choice.reasons:
        print(f"  {sentence}")
    if (path.parent / "spaces").is_dir():
        print("Beside it, yours to change: spaces/, strategies/, and experiments/ of other data.")
    print(f"Next: trionet plan {shlex.quote(str(path))}")
    print(f"      trionet search {shlex.quote(str(path))} --minutes 60")
    return 0
