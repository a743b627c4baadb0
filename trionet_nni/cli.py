"""The command line: `trionet COMMAND`. Each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from trionet_nni import __version__
from trionet_nni.commands.plan import add_plan
from trionet_nni.commands.reproduce import add_fidelity, add_reproduce
from trionet_nni.commands.segment import add_segment
from trionet_nni.errors import InputError, RunFailed, failure_line, quiet_writers
from trionet_nni.training.threads import sleep_while_waiting

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 done, 1 something failed while it ran, 2 unusable input.
    """
    options = _parser().parse_args(arguments)
    sleep_while_waiting()
    # Spaces and strategies are used from the checkout, as NNI does for a codeDirectory.
    sys.path.insert(0, str(Path.cwd()))
    run: Command = options.run
    quiet_writers()
    try:
        status = run(options)
        sys.stdout.flush()  # a full disk under a redirected output is found here, not at the very end
        return status
    except InputError as error:
        print(f"trionet: {error}", file=sys.stderr)
        return 2
    except (OSError, RunFailed) as error:
        return _failed(error)
    except KeyboardInterrupt:
        print("trionet: interrupted; training goes on from its last checkpoint", file=sys.stderr)
        return 130


def _failed(error: OSError | RunFailed) -> int:
    """One line about what went wrong outside of the program; the exit status."""
    line = failure_line(error)
    if line is None:
        assert isinstance(error, OSError)
        message = InputError(f"{error.filename or 'error'}: {error.strerror or error}")
        print(f"trionet: {message}", file=sys.stderr)
        return 2
    with suppress(OSError):  # the terminal's own file may be on that disk
        print(f"trionet: {line}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # what it holds cannot be written: without this Python would try, and fail, once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trionet", description="Search for TrioNets with Microsoft NNI.")
    parser.add_argument("--version", action="version", version=f"trionet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _add_search,
        _add_export,
        _add_pareto,
        _add_retrain,
        _add_finetune,
        _add_space,
        _add_count,
        _add_verify,
        add_plan,
        add_reproduce,
        add_fidelity,
        add_segment,
    ):
        add(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Command, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _add_search(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "search", _search, "Run an experiment through nnictl, watch it, export its best networks."
    )
    parser.add_argument("experiment", type=Path, help="experiment file, e.g. experiments/quickstart.yml")
    parser.add_argument("--port", type=int, help="of the portal (default: a free one from 8080 on)")
    parser.add_argument("--top", type=int, default=5, help="networks to export (default: 5)")
    parser.add_argument("-o", "--out", type=Path, default=Path("out"), help="their folder (default: out)")
    parser.add_argument("--new", action="store_true", help="though one of this file is unfinished")


def _search(options: argparse.Namespace) -> int:
    from trionet_nni.commands.search import search

    return search(options.experiment, port=options.port, out=options.out, top=options.top, new=options.new)


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "export", _export, "Write the best networks of an experiment with weights and scripts."
    )
    parser.add_argument("experiment", help="NNI experiment id, or the experiment's folder")
    parser.add_argument("--top", type=int, default=5, help="how many (default: 5)")
    parser.add_argument("-o", "--out", type=Path, default=Path("out"), help="folder (default: out)")


def _export(options: argparse.Namespace) -> int:
    from trionet_nni.export.best import export, print_exported
    from trionet_nni.report.pareto import print_common_front

    rows = export(options.experiment, options.top, options.out)
    print_common_front(options.experiment, rows)
    print_exported(rows, options.out)
    return 0


def _add_pareto(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "pareto", _pareto, "Show the networks of an experiment that no other one beats."
    )
    parser.add_argument("experiment", help="NNI experiment id, or the experiment's folder")
    parser.add_argument("--json", action="store_true", help="one JSON object a network, cheapest first")


def _pareto(options: argparse.Namespace) -> int:
    from trionet_nni.report.pareto import pareto, print_pareto

    front = pareto(options.experiment)
    if options.json:
        for result in front:
            print(json.dumps(result.to_dict()))
    else:
        print_pareto(front)
    return 0


def _add_retrain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "retrain", _retrain, "Train a network from scratch, measure it on the test images."
    )
    parser.add_argument("export", type=Path, nargs="?", help="exported folder, or its retrain.yml")
    parser.add_argument("--architecture", help="instead: an architecture file or a baseline's name")
    parser.add_argument("--experiment", type=Path, help="with --architecture: the recipe and the data")
    parser.add_argument("-o", "--out", type=Path, help="with --architecture: folder for the result")
    parser.add_argument("--seed", type=int, help="of the training (default: the recipe's)")


def _retrain(options: argparse.Namespace) -> int:
    from trionet_nni.export.retrain import retrain, retrain_architecture
    from trionet_nni.training.process import prepare_process

    prepare_process()
    if options.export is not None:
        if options.architecture or options.experiment or options.out:
            raise InputError(
                f"retrain: found a folder ({options.export}) and --architecture, --experiment or -o, "
                "allowed: one of the two"
            )
        retrain(options.export, seed=options.seed)
        return 0
    if not (options.architecture and options.experiment and options.out):
        raise InputError(
            "retrain: found no exported folder, allowed: one, or --architecture with --experiment and -o"
        )
    retrain_architecture(options.architecture, options.experiment, options.out, seed=options.seed)
    return 0


def _add_finetune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "finetune", _finetune, "Fine-tune a network from its exported weights, and measure it."
    )
    parser.add_argument("export", type=Path, help="exported folder")
    parser.add_argument("--seed", type=int, help="of the training (default: the recipe's)")


def _finetune(options: argparse.Namespace) -> int:
    from trionet_nni.export.retrain import finetune
    from trionet_nni.training.process import prepare_process

    prepare_process()
    finetune(options.export, seed=options.seed)
    return 0


def _add_space(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "space", _space, "Say what an experiment searches: choices, networks, FLOPs, parameters."
    )
    parser.add_argument("experiment", type=Path, help="experiment file")
    parser.add_argument("--json", action="store_true", help="one JSON object alone on standard output")


def _space(options: argparse.Namespace) -> int:
    from trionet_nni.experiment.open import open_experiment
    from trionet_nni.report.space import print_space, space_summary

    config = open_experiment(options.experiment).config
    if options.json:
        print(json.dumps(space_summary(config)))
    else:
        print_space(config)
    return 0


def _add_count(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "count", _count, "Count parameters, multiply-accumulates and FLOPs in closed form."
    )
    parser.add_argument("networks", nargs="+", help="architecture files, or names such as resnet-50")
    parser.add_argument("--size", type=int, help="side of the image in pixels (default: the space's own)")
    parser.add_argument("--classes", type=int, help="of the classifier (default: 1000, or the task's)")
    parser.add_argument("--channels", type=int, default=3, help="of the image (default: 3)")
    parser.add_argument(
        "--task", help="semantic or panoptic: count the whole segmentation network (Table 6)"
    )
    stem = "with --task: the stem (default: deep for the ResNets, as Table 6 counts them, else plain)"
    parser.add_argument("--stem", choices=("plain", "deep"), help=stem)
    parser.add_argument("--json", action="store_true", help="one JSON object a network")


def _count(options: argparse.Namespace) -> int:
    from trionet_nni.report.count import count, count_segmentation, default_stem

    if options.stem and not options.task:
        raise InputError(f"count: --stem: found {options.stem} without --task, allowed: with it")
    classes = 1000 if options.classes is None else options.classes
    costs = [
        count_segmentation(
            name, options.task, options.size, options.classes, options.channels, options.stem
        )
        if options.task
        else count(name, options.size, classes, options.channels)
        for name in options.networks
    ]
    for name, cost in zip(options.networks, costs, strict=True):
        if options.json:
            print(json.dumps(cost.to_dict()))
        else:
            what = f" {options.task}, {options.stem or default_stem(name)} stem" if options.task else ""
            print(f"{name}{what}: {cost.params:,} params, {cost.macs:,} MACs, {cost.flops:,} FLOPs")
    return 0


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "verify", _verify, "Compute what the paper prints of sizes and costs, beside the paper's."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")


def _verify(options: argparse.Namespace) -> int:
    from trionet_nni.reproduce.verify import print_rows, verify

    rows = verify()
    if options.json:
        for row in rows:
            print(json.dumps(row.to_dict(), ensure_ascii=False))
    else:
        print_rows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
