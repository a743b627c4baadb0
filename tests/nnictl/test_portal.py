"""The portal keeps to this machine; ports and search space."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import nni_node
import psutil
import pytest

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from tests.helpers.patience import PATIENCE
from trionet_nni.nnictl.manager.portal import (
    LOOPBACK,
    free_port,
    listening_sockets,
    listens_everywhere,
    loopback_environment,
    nni_search_space,
)

NODE = Path(nni_node.__path__[0]) / "node"


def node(code: str) -> str:
    """What a program prints under the preload."""
    done = subprocess.run(
        [NODE, "-e", code],
        env=loopback_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "arguments, host",
    [
        ("0", "127.0.0.1"), ("0, () => 0", "127.0.0.1"), ("", "127.0.0.1"), ("() => 0", "127.0.0.1"),
        ("'0'", "127.0.0.1"), ("{port: 0}", "127.0.0.1"), ("0, 511", "127.0.0.1"),
        ("0, null, 511", "127.0.0.1"), ("0, undefined, () => 0", "127.0.0.1"),
        ("0, '127.0.0.2'", "127.0.0.2"), ("{port: 0, host: '127.0.0.3'}", "127.0.0.3"),
    ],
)  # fmt: skip
def test_every_form_of_listen_keeps_to_loopback(arguments: str, host: str) -> None:
    code = f"""
        const server = require('net').createServer().listen({arguments});
        server.on('listening', () => {{ console.log(server.address().address); process.exit(0); }});
    """
    assert node(code) == host


def test_another_host_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIONET_PORTAL_HOST", "0.0.0.0")
    code = """
        const server = require('net').createServer();
        server.listen(0, () => { console.log(server.address().address); server.close(); });
    """
    assert node(code) == "0.0.0.0"


def test_preload_is_added_to_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--no-warnings")
    assert loopback_environment()["NODE_OPTIONS"] == f'--no-warnings --require="{LOOPBACK}"'


def test_open_sockets_are_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as near, socket.create_server(("", 0)) as wide:
        near_port, wide_port = near.getsockname()[1], wide.getsockname()[1]
        assert not listens_everywhere(near_port) and listens_everywhere(wide_port)
        assert (near_port, True) in listening_sockets() and (wide_port, False) in listening_sockets()
        assert free_port(near_port) != near_port and free_port(wide_port) != wide_port


@pytest.mark.parametrize(
    "family, address, near",
    [
        (socket.AF_INET, "127.0.0.5", True),
        (socket.AF_INET, "0.0.0.0", False),
        (socket.AF_INET6, "::1", True),
        (socket.AF_INET6, "::", False),
        (socket.AF_INET6, "::ffff:127.0.0.1", True),
        (socket.AF_INET6, "::ffff:0.0.0.0", False),
    ],
)
def test_loopback_is_known_in_both_families(family: socket.AddressFamily, address: str, near: bool) -> None:
    with socket.socket(family) as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no such address")
        listener.listen()
        port = listener.getsockname()[1]
        assert (port, near) in listening_sockets() and listens_everywhere(port) is not near


def test_a_system_that_does_not_tell_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    assert listening_sockets() == [] and not listens_everywhere(80)


def test_search_space_covers_every_sample() -> None:
    space = nni_search_space(TABLE)
    for network in random_architectures(TABLE, 50):
        for label, value in network.to_sample().items():
            assert value in space[label]["_value"]
    assert not any("/" in label for label in space)


def test_files_that_a_trial_writes_to_are_not_kept_open() -> None:
    """NNI opens two for every trial and forgets them; the trial's process has its own."""
    code = """
        const fs = require('fs'), os = require('os'), path = require('path'), events = require('events');
        const { spawn } = require('child_process');
        const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'closing-'));
        const open = () => fs.readdirSync('/proc/self/fd').length;
        async function trial(number) {
            const create = (end) => fs.createWriteStream(path.join(folder, number + end));
            const files = ['out', 'err'].map(create);
            await Promise.all(files.map((file) => events.once(file, 'open')));
            const made = spawn('sleep 0.2; echo said; echo wrong >&2',
                               { stdio: ['ignore', ...files], shell: true });
            await events.once(made, 'close');
        }
        (async () => {
            await trial(0);
            const before = open();
            for (let number = 1; number <= 5; number++) { await trial(number); }
            const read = (name) => fs.readFileSync(path.join(folder, name), 'latin1').trim();
            console.log(open() - before, read('5out'), read('5err'));
        })();
    """
    assert node(code) == "0 said wrong"
