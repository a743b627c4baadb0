"""`trionet segment train | eval | predict`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import (
    add_command,
    add_logger_option,
    add_quiet_option,
    add_set_option,
    logger_settings,
)

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command and its three parts to the command line."""
    text = "Semantic and panoptic segmentation on any backbone: train, evaluate, predict."
    example = "trionet segment train experiments/shapes.yml -o out/shapes"
    parser = add_command(commands, "segment", None, text, example)
    parts = parser.add_subparsers(required=True, metavar="PART")
    text = "Train by a run's file; the same command goes on after an interruption."
    train = add_command(parts, "train", _train, text, example)
    train.add_argument("settings", type=Path, help="e.g. experiments/voc.yml")
    train.add_argument("-o", "--out", type=Path, required=True, help="folder of the run")
    train.add_argument("--seed", type=int, help="of weights and batches (default: the recipe's)")
    add_set_option(train, "recipe.iterations=1000")
    add_logger_option(train)
    train.add_argument("--json", action="store_true", help="print the result as one JSON object")
    add_quiet_option(train)
    text = "Measure a finished run on all its validation pictures."
    evaluate = add_command(parts, "eval", _evaluate, text, "trionet segment eval out/shapes --json")
    evaluate.add_argument("folder", metavar="run", type=Path, help="folder of the run")
    evaluate.add_argument("-o", "--out", type=Path, help="write the predictions into this folder too")
    evaluate.add_argument("--json", action="store_true", help="print the metrics as one JSON object")
    add_quiet_option(evaluate)
    text = "Segment pictures with a finished run."
    example = "trionet segment predict out/shapes picture.jpg -o out/masks"
    predict = add_command(parts, "predict", _predict, text, example)
    predict.add_argument("folder", metavar="run", type=Path, help="folder of the run")
    predict.add_argument("pictures", type=Path, nargs="+", help="files, or folders of pictures")
    predict.add_argument("-o", "--out", type=Path, required=True, help="folder for masks and overlays")
    add_quiet_option(predict)


def _train(options: argparse.Namespace) -> int:
    from trionet_nni.segmentation.train import train
    from trionet_nni.settings.changes import parse_changes
    from trionet_nni.training.process import prepare_process

    changes = parse_changes([*logger_settings(options, "logger"), *options.set])
    prepare_process()
    result = train(
        options.settings, options.out, seed=options.seed, progress=not options.quiet, changes=changes
    )
    if "metrics" not in result:  # another process than the first, which measures
        return 0
    if options.json:
        print(json.dumps(result))
    else:
        _show(result["metrics"], result["pictures"])
        print(f"Next: trionet segment predict {options.out} PICTURE … -o {options.out / 'predictions'}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from trionet_nni.segmentation.evaluate import evaluate
    from trionet_nni.segmentation.folder import RunFolder

    task = RunFolder(options.folder).open(data=True)
    writer = task.writer(options.out) if options.out else None
    metrics = evaluate(task, progress=not options.quiet, writer=writer)
    if options.json:
        print(json.dumps(metrics))
    else:
        _show(metrics, task.validation_pictures)
    return 0


def _predict(options: argparse.Namespace) -> int:
    from trionet_nni.segmentation.predict import predict

    count = predict(options.folder, options.pictures, options.out, progress=not options.quiet)
    print(f"{count} pictures segmented: {options.out}")
    return 0


def _show(metrics: Mapping[str, float], pictures: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{pictures:,} validation pictures")
    table.add_column("metric")
    table.add_column("%", justify="right")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)
