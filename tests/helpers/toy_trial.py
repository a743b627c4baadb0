"""A trial command that spoils some trials before the real one starts: by trial number.

TOY_EARLY: dies at once; TOY_KILLED: is killed; TOY_SILENT: ends well without a result;
TOY_ABC, TOY_RAW_NAN: reports "abc", or NaN, as its final result, past the project's own code.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from pathlib import Path


def chosen(variable: str) -> bool:
    return os.environ["NNI_TRIAL_SEQ_ID"] in os.environ.get(variable, "").split(",")


def send(value: str) -> None:
    import json

    from trionet_nni.nnictl.candidate.job import fetch_job
    from trionet_nni.nnictl.manager.rest import put

    job = fetch_job(os.environ)
    metric = {
        "parameter_id": job.parameter_id,
        "trial_job_id": job.trial,
        "type": "FINAL",
        "sequence": 0,
        "value": value,
    }
    put(job.channel, {"type": "metric", "metric": json.dumps(metric)})


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    if chosen("TOY_EARLY"):
        sys.exit(1)
    if chosen("TOY_KILLED"):
        os.kill(os.getpid(), signal.SIGKILL)
    if chosen("TOY_SILENT"):
        sys.exit(0)
    if chosen("TOY_ABC") or chosen("TOY_RAW_NAN"):
        send('"abc"' if chosen("TOY_ABC") else "NaN")
        sys.exit(0)
    runpy.run_module("trionet_nni.nnictl.trial", run_name="__main__")
