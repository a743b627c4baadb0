"""A real nnictl experiment over two hosts, with a real supernet of a few steps on the digits."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.made_once import made_once
from tests.helpers.ssh_hosts import SshHost, make_key
from tests.helpers.toy_experiment import ToyExperiment
from trionet_nni.experiment.check import check_experiment
from trionet_nni.experiment.open import open_experiment
from trionet_nni.nnictl.hosts.ssh import COMMAND
from trionet_nni.supernet.train import ensure_supernet, supernet_directory

_SENT = re.compile(r"host .*: sent (\d+) of (\d+) bytes")


class RemoteExperiment:
    """Two hosts, and an experiment of the machine that searches.

    Attributes:
        toy: the experiment; its folder is hidden from the hosts.
        config: of the experiment file.
        supernet, cache: folders on the machine that searches.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "manager").mkdir()
        self.toy = ToyExperiment(folder / "manager", monkeypatch)
        self.python = sys.executable
        key = make_key(folder / "manager" / "key")
        self.hosts = [SshHost(folder / "hosts" / name, folder, key) for name in ("a", "b")]
        self._known = folder / "manager" / "known_hosts"
        settings = folder / "manager" / "ssh_config"
        settings.write_text(f"UserKnownHostsFile {self._known}\nStrictHostKeyChecking yes\n")
        self.toy.set(**{COMMAND: f"ssh -F {settings}"})
        for host in self.hosts:
            self.know(host)
            host.start()

    @property
    def yaml(self) -> Path:
        """The experiment file."""
        return self.toy.yaml

    def know(self, host: SshHost) -> None:
        """Let the machine that searches know the host's key."""
        with self._known.open("a") as known:
            known.write(host.known_hosts_line())

    def write(
        self, *, candidates: int, machines: list[dict[str, Any]] | None = None, **search: Any
    ) -> Path:
        """The experiment file."""
        service: dict[str, Any] = {"platform": "remote", "reuseMode": False}
        service["machineList"] = machines or [host.machine() for host in self.hosts]
        recipe = {"epochs": 0.2, "batch_size": 32, "warmup_epochs": 0.1, "augment": "shift"}
        path = self.toy.write(
            trials=candidates,
            supernet={"strategy": "strategies.one_shot", "recipe": recipe, "curve_points": 1},
            nni={"trainingService": service, "trialConcurrency": 4},
            population=20,
            parents=8,
            **search,
        )
        settings = yaml.safe_load(path.read_text())
        images = {"search_images": 200, "recalibration_images": 64}
        settings["tuner"]["classArgs"]["data"] |= images
        path.write_text(yaml.safe_dump(settings))
        return path

    def train_supernet(self) -> None:
        """As `trionet supernet` does; once for all tests."""
        checked = check_experiment(open_experiment(self.toy.yaml))
        self.config, self.cache = checked.config, checked.working / "cache"
        self.supernet = supernet_directory(checked.working, checked.config)

        def train(folder: Path) -> None:
            directory = supernet_directory(folder, checked.config)
            ensure_supernet(checked.config, directory, self.cache, lambda point: None)

        once = made_once("remote-supernet", train)
        (checked.working / "supernets").symlink_to(once / "supernets")

    def create(self) -> None:
        """Start it."""
        self.toy.create()

    def sent(self) -> list[tuple[int, int]]:
        """Of each host: bytes that it was sent, and bytes that it needs."""
        return [(int(sent), int(whole)) for sent, whole in _SENT.findall(self.toy.log())]

    def noted_end(self, trials: set[str], jobs: list[dict[str, Any]]) -> float:
        """When the last of these trials ended, in milliseconds as NNI has them."""
        return max(job["endTime"] for job in jobs if job["trialJobId"] in trials)

    def close(self) -> None:
        """Leave nothing running."""
        self.toy.close()
        for host in self.hosts:
            host.take_away()
