"""What is wrong with the hosts of a search is said in one line, before anything starts."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from nni.experiment.config import ExperimentConfig

from tests.helpers.checkout import ROOT
from tests.helpers.remote_experiment import RemoteExperiment
from tests.helpers.shell import Shell
from tests.helpers.ssh_hosts import SshHost, make_key, needs_hosts
from trionet_nni.errors import InputError
from trionet_nni.experiment.nni_file import check_nni
from trionet_nni.nnictl.hosts.check import check_search
from trionet_nni.nnictl.hosts.machines import machines_of
from trionet_nni.nnictl.hosts.ssh import COMMAND
from trionet_nni.nnictl.terminal.front_door import check_file
from trionet_nni.settings.project import load_experiment


def service(**settings: Any) -> dict[str, Any]:
    """One machine of a service, with a key that is this file."""
    machine = {"host": "gpu1", "user": "me", "ssh_key_file": __file__, **settings}
    return {"platform": "remote", "machineList": [machine]}


def test_names_are_read_as_nni_reads_them() -> None:
    (machine,) = machines_of(service(python_path="/opt/python/bin"), Path("/"))
    assert (machine.host, machine.port, machine.key) == ("gpu1", 22, Path(__file__).resolve())
    assert machine.python_path == "/opt/python/bin"


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ({"platform": "remote"}, r"machineList: found None, allowed: a list of machines"),
        ({**service(), "reuseMode": True}, r"reuseMode: found true, allowed: false"),
        (service(password="secret"), r"machineList\[0\].password: found one, allowed: sshKeyFile"),
        (service(sshPassphrase="x"), r"machineList\[0\].sshPassphrase: found one, allowed: sshKeyFile"),
        (service(host="-oProxyCommand=x"), r"machineList\[0\].host: found '-oProxy.*, allowed: a name"),
        (service(user=None), r"machineList\[0\].user: found None, allowed: a name"),
        (service(port=0), r"machineList\[0\].port: found 0, allowed: 1 to 65535"),
        (service(pythonPath="bin"), r"pythonPath: found 'bin', allowed: a folder's absolute path"),
        (service(ssh_key_file="/no/key"), r"sshKeyFile: found '/no/key', allowed: a private key's file"),
        ({"machineList": service()["machineList"] * 2}, r"\[1\]: found the machine of .*\[0\] again"),
        ({"machineList": [7]}, r"machineList\[0\]: found 7, allowed: host, user and sshKeyFile"),
    ],
)
def test_a_list_that_cannot_be_used(found: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        machines_of(found, Path("/"))
    assert "\n" not in str(error.value) and "secret" not in str(error.value)


def test_what_the_documents_say_can_be_written(tmp_path: Path) -> None:
    """The example of docs/scale.md, in a shipped experiment file, as NNI and we read it."""
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(trialConcurrency[^`]*machineList[^`]*)```", text)
    assert found is not None
    (tmp_path / "key").touch()
    said = yaml.safe_load(found[1].replace("~/.ssh/search", str(tmp_path / "key")))
    file = yaml.safe_load((ROOT / "experiments" / "quickstart.yml").read_text(encoding="utf-8")) | said
    check_nni(ROOT / "experiments" / "remote.yml", file)
    machines = machines_of(file["trainingService"], tmp_path)
    assert [(one.host, one.port) for one in machines] == [("gpu1", 22), ("gpu2", 2222)]
    file |= {"experimentType": "hpo", "trialCodeDirectory": str(ROOT), "tuner": {"name": "Random"}}
    config = ExperimentConfig(**file).canonical_copy()
    config.validate()
    assert [one.port for one in config.training_service.machine_list] == [22, 2222]


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteExperiment]:
    needs_hosts()
    experiment = RemoteExperiment(tmp_path, monkeypatch)
    try:
        experiment.write(candidates=4)
        experiment.train_supernet()
        yield experiment
    finally:
        experiment.close()


def refusal(remote: RemoteExperiment, machine: dict[str, Any]) -> str:
    """What is said about an experiment whose second host is this one."""
    path = remote.write(candidates=4, machines=[remote.hosts[0].machine(), machine])
    with pytest.raises(InputError) as error:
        check_file(path)
    line = str(error.value)
    assert "\n" not in line and line.startswith(f"{path}: trainingService.machineList[1].")
    return line.removeprefix(f"{path}: trainingService.machineList[1].")


def add_host(remote: RemoteExperiment, **settings: Any) -> SshHost:
    """One more, which the experiment closes with the others."""
    first = remote.hosts[0]
    host = SshHost(first.folder.with_name("c"), first.hidden, first.key, **settings)
    remote.hosts.append(host)
    remote.know(host)
    host.start()
    return host


@pytest.mark.slow(seconds=60)
def test_hosts_that_cannot_be_used(remote: RemoteExperiment, tmp_path: Path) -> None:
    good = remote.hosts[1]
    check_file(remote.yaml)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        line = refusal(remote, good.machine(port=nobody.getsockname()[1]))
    assert line.startswith("host: found 127.0.0.1, port ") and "refused" in line
    line = refusal(remote, good.machine(sshKeyFile=str(make_key(tmp_path / "other"))))
    assert line.startswith("sshKeyFile: found ") and "Permission denied" in line
    line = refusal(remote, good.machine(user="nobody-of-this-name"))
    assert line.startswith("sshKeyFile: found ") and "allowed: a key that nobody-of-this-name may" in line
    settings = Path(os.environ[COMMAND].rpartition(" ")[2])
    settings.write_text("UserKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n")
    path = remote.yaml
    with pytest.raises(InputError, match=r"\[0\].host: found 127.* \(Host key verification failed"):
        check_file(path)


@pytest.mark.slow(seconds=30)
def test_a_host_with_another_torch(remote: RemoteExperiment) -> None:
    host = add_host(remote, variables="PYTHONPATH=/home/other")
    information = host.folder / "other" / "torch-2.0.1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.0.1\n")
    assert refusal(remote, host.machine()).startswith("pythonPath: found torch 2.0.1, allowed: 2.")


@pytest.mark.slow(seconds=30)
def test_a_host_without_python(remote: RemoteExperiment) -> None:
    host = add_host(remote, variables="PATH=/home/bin")
    (host.folder / "bin").mkdir()
    (host.folder / "bin" / "sh").symlink_to(str(shutil.which("sh")))
    line = refusal(remote, host.machine(pythonPath="/opt/none"))
    assert line.startswith("pythonPath: found /opt/none (no Python there), allowed: ")


@pytest.mark.slow(seconds=30)
def test_a_host_that_forwards_nothing(remote: RemoteExperiment) -> None:
    host = add_host(remote, settings="AllowStreamLocalForwarding no")
    assert "whose sshd forwards no sockets" in refusal(remote, host.machine())


@pytest.mark.slow(seconds=60)
def test_nnictl_says_so_with_status_2_and_starts_nothing(remote: RemoteExperiment) -> None:
    remote.hosts[1].take_away()
    with Shell(remote.toy.folder) as shell:
        said, status = shell.type(f"nnictl create --config {remote.yaml}")
        assert status == 2 and said.count("\n") == 1 and "machineList[1].host: found" in said
        (remote.yaml.parent / "runs" / "supernets").unlink()
        said, status = shell.type(f"nnictl create --config {remote.yaml}")
        assert status == 2 and "without a trained supernet in" in said and "trionet supernet" in said
        assert not list((remote.yaml.parent / "runs").glob("*/trionet"))


def test_finalists_of_images_that_are_not_sent_are_not_for_hosts() -> None:
    config = load_experiment(ROOT / "experiments" / "mine.yml")
    assert config.search.finalists is not None and config.data.image_size <= 64
    check_search(config)
    large = config.model_copy(update={"data": config.data.model_copy(update={"image_size": 65})})
    with pytest.raises(
        InputError, match=r"finalists: found some with data.image_size 65, allowed: .* to 64"
    ):
        check_search(large)
    check_search(large.model_copy(update={"search": config.search.model_copy(update={"finalists": None})}))
