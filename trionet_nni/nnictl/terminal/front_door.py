"""`nnictl` typed by hand, as this project's environment has it: NNI's own, which looks at our files first.

NNI starts an experiment in the background, says where its portal is and ends with status 0; what is wrong
with the experiment shows seconds later, in a log. NNI has no hook for a check of ours, so the environment's
`nnictl` is this function. Of an experiment of this project

- `create` and `resume` say in one line what `trionet plan` would say, end with status 2 and start nothing;
- the portal keeps to this machine (`TRIONET_PORTAL_HOST` opens it), also with `view`;
- what goes wrong right after the start is said here, with status 1 and nothing left running; what goes
  wrong later is said by a small process that stays as long as the terminal and the experiment are there.

Everything else is NNI's own command, unchanged.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.yaml import read_yaml

ADVISOR = "trionet_nni.nnictl.advisor.TrioNetAdvisor"
_OPENS_PORTAL = ("create", "resume", "view")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one nnictl command.

    Returns:
        The exit status: NNI's; 1 where the experiment ended right after its start, 2 for unusable input.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)  # NNI's, in each command
    try:
        from nni.tools.nnictl import nnictl
    except ModuleNotFoundError as error:
        allowed = "after pip install 'trionet-nni[search]'"
        print(f"nnictl: found no package {error.name}, allowed: {allowed}", file=sys.stderr)
        return 2
    options = nnictl.get_parser().parse_args(typed)
    command = typed[0] if typed else ""
    try:
        check = _check_of(command, options)
        if check is None:
            return _nni(options)
        check()
    except InputError as error:
        print(f"nnictl: {error}", file=sys.stderr)
        return 2
    return _started(options, command)


def _check_of(command: str, options: argparse.Namespace) -> Callable[[], object] | None:
    """What to look at before NNI does; None where the command is none of this project's experiments."""
    if command == "create":
        path = Path(options.config)
        return (lambda: check_file(path)) if is_ours(path) else None
    folder = _known_folder(str(options.id)) if command in _OPENS_PORTAL and options.id else None
    if folder is None:
        return None
    return (lambda: check_run(folder)) if command == "resume" else (lambda: None)


def is_ours(path: Path) -> bool:
    """Whether a file names this project's tuner, also where it is no valid YAML."""
    try:
        if ADVISOR not in path.read_text(encoding="utf-8", errors="replace"):
            return False
        tuner = read_yaml(path).get("tuner")
    except OSError:
        return False
    except InputError:
        return True
    return not isinstance(tuner, dict) or tuner.get("className", ADVISOR) == ADVISOR


def check_file(path: Path) -> None:
    """All that `trionet plan` and `trionet search` look at first.

    Raises:
        InputError: the first thing that is wrong.
    """
    from trionet_nni.experiment.check import check_experiment
    from trionet_nni.experiment.open import open_experiment
    from trionet_nni.nnictl.hosts.check import check_hosts

    experiment = open_experiment(path)
    check_hosts(experiment, check_experiment(experiment))


def check_run(folder: ExperimentFolder) -> None:
    """Whether an experiment's folder and images are still there.

    Raises:
        InputError: the first thing that is wrong.
    """
    from trionet_nni.data import load_splits
    from trionet_nni.experiment.open import open_run

    load_splits(open_run(folder).config.data, folder.cache)


def _known_folder(experiment: str) -> ExperimentFolder | None:
    from trionet_nni.experiment.open import find_run

    try:
        return find_run(experiment)
    except InputError:  # another project's, or none at all, which NNI says itself
        return None


def _started(options: argparse.Namespace, command: str) -> int:
    """Have NNI start it, with the portal on this machine, and see that it lives."""
    from trionet_nni.nnictl.manager.portal import PATIENCE, loopback_environment
    from trionet_nni.nnictl.terminal.interpreter import own_python_first
    from trionet_nni.nnictl.terminal.launch import listed
    from trionet_nni.nnictl.terminal.patient import be_patient
    from trionet_nni.nnictl.terminal.start import follow

    os.environ["NODE_OPTIONS"] = loopback_environment(PATIENCE)["NODE_OPTIONS"]
    os.environ["PATH"] = own_python_first()
    be_patient()
    before = {name: entry.get("startTime") for name, entry in listed().items()}
    status = _nni(options)
    if status or command == "view" or getattr(options, "foreground", False):
        return status
    new = [name for name, entry in listed().items() if before.get(name) != entry.get("startTime")]
    return follow(new[-1]) if new else status


def _nni(options: argparse.Namespace) -> int:
    """NNI's own command; what it ends its process with."""
    try:
        options.func(options)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
