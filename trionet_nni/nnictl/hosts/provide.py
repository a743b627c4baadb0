"""The hosts of a search that begins or goes on get what they need."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import open_run
from trionet_nni.files.atomic import write_json
from trionet_nni.files.invocation import trionet
from trionet_nni.nnictl.hosts.check import check_search, check_start, check_supernet
from trionet_nni.nnictl.hosts.deliver import deliver
from trionet_nni.nnictl.hosts.machines import machines_of
from trionet_nni.nnictl.hosts.parcel import parcel_of
from trionet_nni.settings.project import ProjectConfig

_log = logging.getLogger("trionet_nni.hosts")


def provide(
    folder: ExperimentFolder, config: ProjectConfig, code: Path, service: Mapping[str, Any]
) -> None:
    """Bring code, supernet and images to every host that lacks them, and point the run at its supernet.

    Args:
        service: the experiment's `trainingService`, as NNI has read it.

    Raises:
        InputError: there is no supernet, or a host cannot be used.
    """
    machines = machines_of(service, folder.working_directory)
    check_start()
    check_search(config)
    supernet_hash = config.supernet_hash()
    directory = folder.supernet_directory(supernet_hash)
    check_supernet(config, directory, trionet("supernet", "FILE"))
    write_json(folder.supernet, {"directory": str(directory), "hash": supernet_hash})
    parcel = parcel_of(open_run(folder), code)
    for one in deliver(parcel, folder.root.name, machines):
        what = f"{one.machine.host}, port {one.machine.port}"
        _log.info("host %s: sent %d of %d bytes", what, one.received, parcel.size)
