"""The files that make a folder retrainable by one command, wherever it is called from."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.export.settings import RetrainConfig, write_config
from trionet_nni.export.turns import check_room, holds
from trionet_nni.files.atomic import rename_folder, replacing, write_json

_SCRIPT = """\
#!/usr/bin/env bash
# Trains this network from scratch on the full training set and measures it on the test images.
# After an interruption the same command goes on. Arguments are passed on, e.g. --seed 1.
set -euo pipefail
here="$(CDPATH='' cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")" && pwd)"
python={python}  # the environment that exported this folder
if [ -x "$python" ] && "$python" -c 'import trionet_nni' 2>/dev/null; then
    exec "$python" -m trionet_nni.cli retrain "$here" "$@"
fi
if ! command -v trionet >/dev/null; then
    echo "retrain.sh: found neither $python nor trionet on the PATH; install trionet-nni" >&2
    exit 127
fi
exec trionet retrain "$here" "$@"
"""


def write_folder(folder: Path, architecture: Architecture, config: RetrainConfig) -> None:
    """Write `architecture.json`, `retrain.yml` and the executable `retrain.sh`."""
    make_room(folder, architecture)
    write_json(folder / "architecture.json", architecture.to_dict())
    write_config(folder, config)
    script = folder / "retrain.sh"
    with replacing(script) as temporary:
        temporary.write_text(_SCRIPT.format(python=shlex.quote(sys.executable)), encoding="utf-8")
    script.chmod(script.stat().st_mode | 0o111)


def make_room(folder: Path, architecture: Architecture) -> None:
    """Move a folder away that holds another network, whose training would be mistaken for this one's.

    It gets the time behind its name and nothing in it is lost.

    Raises:
        InputError: the folder's name is taken by a file, or that other network is being trained.
    """
    check_room(folder, architecture)
    if holds(folder, architecture) is False:
        now = f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**6:06}"
        rename_folder(folder, folder.with_name(f"{folder.name}-until-{now}"))
