"""What every command has in common: a name, a help text with an example, and a function that runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from trionet_nni.settings.loggers import LOGGERS

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Run = Callable[[argparse.Namespace], int]


def add_command(
    commands: Commands, name: str, run: Run | None, text: str, example: str
) -> argparse.ArgumentParser:
    """Add a command, and return its parser for the arguments.

    Args:
        run: takes the parsed arguments; returns the exit status (0 done, 1 failed while it ran, 2 unusable
            input; an `InputError` does the last by itself). None: its parts have one each.
        text: one sentence for `trionet --help`.
        example: a whole command to type, for the end of its own help.
    """
    parser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"Example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # an example is one line, to be copied
    )
    if run is not None:
        parser.set_defaults(run=run)
    return parser


def add_set_option(parser: argparse.ArgumentParser, example: str = "search.population=50") -> None:
    """Add `--set`, which changes a setting of the file for this run and is written down with it."""
    text = f"another value for a setting, e.g. {example}; repeatable"
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE", help=text)


def add_logger_option(parser: argparse.ArgumentParser) -> None:
    """Add `--logger`, which is short for the settings that `logger_settings` gives."""
    text = "where the curves go (default: tensorboard; wandb and mlflow need the extra of their name)"
    parser.add_argument("--logger", choices=LOGGERS, help=text)


def logger_settings(options: argparse.Namespace, *settings: str) -> list[str]:
    """What `--logger` means, as `--set` has it: the value of these settings; `--set` itself comes after."""
    return [] if options.logger is None else [f"{setting}={options.logger}" for setting in settings]


def add_quiet_option(parser: argparse.ArgumentParser) -> None:
    """Add `--quiet`, for whoever shows progress: results, warnings and errors are still said."""
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
