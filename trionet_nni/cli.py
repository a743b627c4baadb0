"""The command line: `trionet COMMAND`. Each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from trionet_nni.commands import (
    compare,
    count,
    draw,
    evaluate,
    export,
    fidelity,
    finetune,
    latency,
    new,
    onnx,
    pareto,
    plan,
    predict,
    push,
    report,
    reproduce,
    retrain,
    search,
    segment,
    space,
    supernet,
    verify,
)
from trionet_nni.commands.command import Run
from trionet_nni.commands.completion import SHELLS, Completion
from trionet_nni.commands.hints import unknown_options
from trionet_nni.errors import InputError, RunFailed, failure_line, quiet_writers
from trionet_nni.training.threads import sleep_while_waiting
from trionet_nni.version import version_line

# In the order of the help text; each has a function `add`.
COMMANDS = (
    new,
    search,
    report,
    export,
    pareto,
    compare,
    draw,
    retrain,
    finetune,
    evaluate,
    predict,
    onnx,
    latency,
    push,
    space,
    supernet,
    count,
    verify,
    plan,
    reproduce,
    fidelity,
    segment,
)

# Packages that not every installation has, and the extra that brings them.
EXTRAS = {
    "pytorch_lightning": "train",
    "torchmetrics": "train",
    "tensorboard": "train",
    "nni": "search",
    "psutil": "search",
    "mlxtend": "search",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "onnxruntime": "onnx",
    "huggingface_hub": "hub",
    "matplotlib": "report",
    "scipy": "report",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 done, 1 something failed while it ran, 2 unusable input.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    options, rest = _parser().parse_known_args(typed)
    if rest:
        print(f"trionet: {unknown_options(typed[0], rest)}", file=sys.stderr)
        return 2
    sleep_while_waiting()
    # Spaces and strategies are used from the checkout, as NNI does for a codeDirectory.
    sys.path.insert(0, str(Path.cwd()))
    run: Run = options.run
    quiet_writers()
    try:
        status = run(options)
        sys.stdout.flush()  # a full disk under a redirected output is found here, not at the very end
        return status
    except InputError as error:
        print(f"trionet: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        allowed = f"after pip install 'trionet-nni[{extra}]'"
        print(f"trionet: found no package {error.name}, allowed: {allowed}", file=sys.stderr)
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


class _Version(argparse.Action):
    """Says it when it is asked for: git has to be asked too."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(version_line())
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trionet",
        description="Search for TrioNets with Microsoft NNI.",
        epilog="Example: trionet search experiments/quickstart.yml",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say the version and the commit")
    text = f"print a script that completes commands in {', '.join(SHELLS)}"
    parser.add_argument("--completion", action=Completion, choices=SHELLS, help=text)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
