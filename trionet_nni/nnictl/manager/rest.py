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

from trionet_nni.nnictl.manager.unix import UnixHandler

MANAGER = "TRIONET_MANAGER"  # environment variable of a trial on another machine: its way to the manager
_PREFIX = "/api/v1/nni"
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
        return json.loads(self.text(path, timeout))

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
        """The experiment as NNI keeps it; "params" is its configuration."""
        return dict(self.get("/experiment"))

    def jobs(self) -> list[dict[str, Any]]:
        """Every trial of the experiment."""
        return list(self.get("/trial-jobs"))


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
