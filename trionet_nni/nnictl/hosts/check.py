"""What a search over hosts needs, before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from trionet_nni.data.splits import IN_MEMORY
from trionet_nni.errors import InputError, shown
from trionet_nni.experiment.check import Checked, in_file, nni_value
from trionet_nni.experiment.open import Experiment
from trionet_nni.files.invocation import trionet
from trionet_nni.nnictl.hosts.look import look_at
from trionet_nni.nnictl.hosts.machines import FIELD, is_remote, machines_of
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.folder import is_complete
from trionet_nni.supernet.train import supernet_directory

_PRELOAD = "loopback.cjs"


def check_hosts(experiment: Experiment, checked: Checked) -> None:
    """Look at all that can be wrong with the hosts of an experiment; nothing where it has none.

    Raises:
        InputError: the first thing that is wrong; one line that begins with the file's name.
    """
    if not is_remote(experiment.settings):
        return
    with in_file(experiment.path):
        machines = machines_of(experiment.settings["trainingService"], experiment.path.parent)
        check_search(checked.config)
        _check_cards(experiment.settings, checked.config.search.warm)
        directory = supernet_directory(checked.working, checked.config)
        check_supernet(checked.config, directory, trionet("supernet", str(experiment.path)))
        look_at(machines, training=checked.config.search.finalists is not None)


def _check_cards(settings: dict[str, Any], warm: bool) -> None:
    """Refuse warm evaluators where NNI leaves cards alone on which somebody computes: they stay."""
    service = settings["trainingService"]
    asks = nni_value(service, "trialGpuNumber") or nni_value(settings, "trialGpuNumber")
    for number, machine in enumerate(nni_value(service, "machineList") if warm and asks else ()):
        given = nni_value(machine, "useActiveGpu")
        if given is not True:
            raise InputError(
                f"{FIELD}[{number}].useActiveGpu: found {shown(given)}, allowed: true, because evaluators "
                "stay on their cards between candidates; or search.warm: false"
            )


def check_search(config: ProjectConfig) -> None:
    """Refuse what hosts cannot do.

    Raises:
        InputError: the experiment has finalists whose images would not be sent.
    """
    if config.search.finalists is not None and config.data.image_size > IN_MEMORY:
        raise InputError(
            f"search.finalists: found some with data.image_size {config.data.image_size}, allowed: with "
            f"platform remote up to {IN_MEMORY}, whose images are sent; trionet retrain trains what was "
            "exported"
        )


def check_supernet(config: ProjectConfig, directory: Path, command: str) -> None:
    """Refuse a search whose supernet is not trained: hosts have no images to train it on.

    Args:
        command: that trains it.

    Raises:
        InputError: it is not.
    """
    if not is_complete(directory, config.supernet_hash()):
        raise InputError(
            f"trainingService.platform: found remote, without a trained supernet in {directory}, allowed: "
            f"after {command}"
        )


def check_start() -> None:
    """Refuse a manager that was started without this project's part.

    Raises:
        InputError: NNI's own `remote` service, as it is, would send and install what it likes.
    """
    if _PRELOAD not in os.environ.get("NODE_OPTIONS", ""):
        raise InputError(
            "trainingService.platform: found remote with NNI's own nnictl, allowed: with trionet search, "
            "or with the nnictl of this project's environment"
        )
