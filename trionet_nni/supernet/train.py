"""Training the supernet of a configuration, once for everybody who needs it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from trionet_nni.architecture.architecture import block_to_dict
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import rename_folder, write_json
from trionet_nni.files.locks import lock
from trionet_nni.files.text import read_json
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.curve import Curve, Point
from trionet_nni.supernet.folder import CURVE, is_complete
from trionet_nni.supernet.plugin import Report, train_by_plugin
from trionet_nni.supernet.together import train_together
from trionet_nni.training.ranks import meet
from trionet_nni.training.share import this_share


def supernet_directory(working_directory: Path, config: ProjectConfig) -> Path:
    """Where the supernet of a configuration is trained, for all experiments of a working directory."""
    return working_directory / "supernets" / config.supernet_hash()


def ensure_supernet(config: ProjectConfig, directory: Path, cache: Path, report: Report) -> None:
    """Train the supernet of this configuration, go on with it, or find it complete.

    Where torchrun started several processes, each of them calls this: they train it together.

    Args:
        directory: its folder, see `supernet_directory`; a plug-in finds the cache beside `supernets/`.
        cache: folder of decoded images.
        report: receives the points of its training curve, also those of an earlier run.

    Raises:
        InputError: the configuration cannot be trained.
    """
    supernet_hash = config.supernet_hash()
    share = this_share()
    if share.rank > 0:
        _train_with_the_first(config, directory)
        return
    directory.mkdir(parents=True, exist_ok=True)
    with lock(directory.with_suffix(".lock"), waiting=_say_that_it_waits):
        _set_aside_if_inputs_changed(directory, config, cache)
        if share.world > 1:
            meet()  # the folder is ready for the others
        curve = Curve(directory / CURVE)
        if is_complete(directory, supernet_hash):
            print(f"supernet {supernet_hash} was trained before: its weights are used again", flush=True)
            for point in curve.points():
                report(point)
        elif config.supernet.devices > 1 and share.world == 1:
            train_together(config, directory, curve, report)
        else:
            train_by_plugin(config, directory, _recorded(curve, report))
    if not is_complete(directory, supernet_hash):
        raise InputError(f"{directory}: found no trained supernet of {supernet_hash}, allowed: one")


def _train_with_the_first(config: ProjectConfig, directory: Path) -> None:
    """In any other process: the first has the folder, and tells what comes out."""
    meet()
    if not is_complete(directory, config.supernet_hash()):
        train_by_plugin(config, directory, lambda point: None)


def _set_aside_if_inputs_changed(directory: Path, config: ProjectConfig, cache: Path) -> None:
    """A supernet of other images or another table is not used again, though its settings read the same.

    Its search or test images of today may have been its training images of then.
    """
    from trionet_nni.data import load_splits

    table = load_table(config.space)
    inputs = {
        "data": load_splits(config.data, cache).record,
        "blocks": [block_to_dict(block) for block in table.blocks],
        "depths": table.depths,
    }
    file = directory / "inputs.json"
    current = json.loads(json.dumps(inputs))
    if file.exists() and read_json(file, "what a supernet was trained on") != current:
        aside = directory.with_name(f"{directory.name}-until-{time.strftime('%Y%m%d-%H%M%S')}")
        rename_folder(directory, aside)
        print(f"images or space have changed: the supernet of before is now {aside}", flush=True)
    directory.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        write_json(file, current)


def _recorded(curve: Curve, report: Report) -> Report:
    def both(point: Point) -> None:
        curve.add(point)
        report(point)

    return both


def _say_that_it_waits() -> None:
    print("another process is training this supernet: waiting for it", flush=True)
