"""NNI manager's REST interface, with the standard library: importing NNI for it costs seconds.

Answers are read as plain JSON. NNI's own serializer can be made to run code, so it is not used.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from trionet_nni.errors import shown
from trionet_nni.files.text import parse_json
from trionet_nni.nnictl.manager.unix import UnixHandler

MANAGER = "TRIONET_MANAGER"  # environment variable of a trial on another machine: its way to the manager
_PREFIX = "/api/v1/nni"
_LARGEST = 1e15  # milliseconds since the epoch: the year 33,000
# A proxy set for the network must not be asked for the local machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), UnixHandler)


class Manager:
    """One experiment's manager.

    Args:
        address: `http://host:port`, with NNI's URL prefix where there is one; or `unix://` and the quoted
            path of a socket file.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    @classmethod
    def of_trial(cls, channel: str, environment: Mapping[str, str] = os.environ) -> Manager:
        """From `NNI_TRIAL_COMMAND_CHANNEL`: `http://host:port/env/<environment>/<trial>`.

        On another machine that leads to NNI's process there, which knows no parameters; the environment
        says where the manager is.
        """
        return cls(environment.get(MANAGER) or channel.rsplit("/env/", 1)[0])

    @classmethod
    def of_tuner(cls, channel: str) -> Manager:
        """From `NNI_TUNER_COMMAND_CHANNEL`: `ws://host:port/tuner`."""
        return cls(channel.replace("ws://", "http://", 1).removesuffix("/tuner"))

    def get(self, path: str, timeout: float = 20) -> Any:
        """GET, for example "/trial-jobs".

        Raises:
            OSError: the manager does not answer, or not with success.
            ValueError: the answer is no JSON.
        """
        return parse_json(self.text(path, timeout))

    def text(self, path: str, timeout: float = 20) -> str:
        """GET what is no JSON, such as a log.

        Raises:
            OSError: the manager does not answer, or not with success.
        """
        with _OPENER.open(self.address + _PREFIX + path, timeout=timeout) as answer:
            return str(answer.read().decode(errors="replace"))

    def put(self, path: str, body: object, timeout: float = 20) -> None:
        """PUT a JSON body below the REST prefix.

        Raises:
            OSError: the manager does not answer, or not with success.
        """
        put(self.address + _PREFIX + path, body, timeout)

    def profile(self) -> dict[str, Any]:
        """The experiment as NNI keeps it; "params" is its configuration.

        Raises:
            OSError: the manager does not answer, or not with success.
            ValueError: the answer is no experiment.
        """
        found = self.get("/experiment")
        if not isinstance(found, dict) or not isinstance(found.get("params"), dict):
            raise ValueError(f"/experiment: found {shown(found)}, allowed: an experiment of NNI's")
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """Every trial of the experiment: its id and status, and where it has them, parameters and start.

        Raises:
            OSError: the manager does not answer, or not with success.
            ValueError: the answer is no list of trials.
        """
        found = self.get("/trial-jobs")
        if not isinstance(found, list) or not all(map(_is_job, found)):
            raise ValueError(f"/trial-jobs: found {shown(found)}, allowed: a list of NNI's trials")
        return found


def trial_limit(profile: Mapping[str, Any]) -> int:
    """`maxTrialNumber` of an experiment; 0 where there is no limit.

    Raises:
        ValueError: it is no whole number.
    """
    found = profile["params"].get("maxTrialNumber")
    if found is None or type(found) is int:
        return found or 0
    raise ValueError(f"maxTrialNumber: found {shown(found)}, allowed: a whole number")


def _is_job(found: object) -> bool:
    """What an old port answers may be another program's."""
    if not isinstance(found, dict):
        return False
    texts, started = found.get("hyperParameters"), found.get("startTime")
    return (
        all(isinstance(found.get(name), str) for name in ("trialJobId", "status"))
        and (texts is None or (isinstance(texts, list) and all(isinstance(text, str) for text in texts)))
        and (started is None or (isinstance(started, (int, float)) and abs(started) < _LARGEST))
    )


def put(url: str, body: object, timeout: float = 20) -> None:
    """PUT a JSON body.

    Raises:
        OSError: no answer, or not success.
    """
    data = json.dumps(body, allow_nan=False).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers, method="PUT")
    with _OPENER.open(request, timeout=timeout) as answer:
        answer.read()


def put_patiently(url: str, body: object, attempts: int = 6) -> None:
    """PUT, again after 1, 2, 4 … seconds while the manager is busy.

    Raises:
        OSError: still no success after the last attempt.
    """
    for attempt in range(attempts):
        try:
            return put(url, body)
        except OSError as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code == 410
            if refused or attempt == attempts - 1:  # 410: the experiment is being stopped
                raise
            time.sleep(2**attempt)
    return None
