"""The portal serves its owner: other users of the machine and pages of other sites get 403 and a line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nni_node
import pytest

from tests.helpers.patience import until
from trionet_nni.nnictl.candidate.address import of_owner
from trionet_nni.nnictl.manager.portal import loopback_environment

NODE = Path(nni_node.__path__[0]) / "node"
NOBODY = 65534
SERVER = """
const http = require('http');
const server = http.createServer((request, response) => {
    console.error(`served ${request.url}`);
    response.end();
});
server.on('upgrade', (request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n'));
server.listen(0, () => console.log(server.address().port));
"""
# Three arguments: port, what is sent, and the user who sends it; prints the first line of what comes back.
CLIENT = """
import encodings.idna, os, socket, sys
os.setuid(int(sys.argv[3]))
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as connection:
    connection.sendall(sys.argv[2].encode())
    print(connection.recv(1000).decode().split("\\r\\n")[0])
"""


class Portal:
    """A server of node's as the manager is one, under the preload."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "stderr"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [NODE, "-e", SERVER], env=loopback_environment(), stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def ask(self, *headers: str, user: int | None = None, host: str | None = None) -> str:
        """The status line for a request."""
        lines = ["GET /api/v1/nni/check-status HTTP/1.1"]
        lines += [f"Host: {host or f'127.0.0.1:{self.port}'}"] if host != "" else []
        text = "\r\n".join([*lines, *headers, "", ""])
        sender = os.getuid() if user is None else user
        command = [sys.executable, "-c", CLIENT, str(self.port), text, str(sender)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def said(self, text: str) -> bool:
        return text in self.log.read_text()


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    found = Portal(tmp_path)
    yield found
    found.process.kill()
    found.process.wait()


def test_its_owner_is_served(portal: Portal) -> None:
    assert portal.ask() == "HTTP/1.1 200 OK"
    assert portal.ask(host=f"localhost:{portal.port}") == "HTTP/1.1 200 OK"
    assert portal.ask(host=f"{socket.gethostname()}:{portal.port}") == "HTTP/1.1 200 OK"
    assert portal.ask(f"Origin: http://127.0.0.1:{portal.port}") == "HTTP/1.1 200 OK"
    upgrade = "Connection: Upgrade", "Upgrade: websocket"
    assert portal.ask(*upgrade).startswith("HTTP/1.1 101")
    assert not portal.said("403")


@pytest.mark.parametrize("upgrade", [False, True], ids=["request", "websocket"])
def test_other_users_of_the_machine_are_refused(portal: Portal, upgrade: bool) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can ask as another user")
    headers = ("Connection: Upgrade", "Upgrade: websocket") if upgrade else ()
    assert portal.ask(*headers, user=NOBODY) == "HTTP/1.1 403 Forbidden"
    until(lambda: portal.said(f'403 for GET "/api/v1/nni/check-status": user {NOBODY} has sent it'))
    assert portal.ask(*headers) != "HTTP/1.1 403 Forbidden"


def test_who_is_gone_at_once_is_not_taken_for_root(portal: Portal) -> None:
    """Of a connection that its process has closed the kernel may list root as the owner."""
    if os.getuid() != 0:
        pytest.skip("only root can ask as another user")
    code = CLIENT.replace('print(connection.recv(1000).decode().split("\\r\\n")[0])', "")
    text = f"GET /gone HTTP/1.1\r\nHost: 127.0.0.1:{portal.port}\r\n\r\n"
    os.kill(portal.process.pid, 19)  # SIGSTOP: the server looks when the client has gone
    try:
        command = [sys.executable, "-c", code, str(portal.port), text, str(NOBODY)]
        subprocess.run(command, check=True)
    finally:
        os.kill(portal.process.pid, 18)
    assert portal.ask() == "HTTP/1.1 200 OK"  # so the other one has been looked at
    assert not portal.said("served /gone")


@pytest.mark.parametrize(
    ("host", "headers", "why"),
    [
        ("rebound.example", (), 'it is meant for "rebound.example"'),
        ("rebound.example:8080", (), 'it is meant for "rebound.example:8080"'),
        ("127.0.0.1.rebound.example", (), "it is meant for"),
        (None, ("Origin: http://rebound.example",), 'a page of "http://rebound.example" has sent it'),
        (None, ("Origin: http://127.0.0.1:1",), "a page of"),
        (None, ("Origin: null",), 'a page of "null"'),
    ],
)
def test_pages_of_other_sites_are_refused(
    portal: Portal, host: str | None, headers: tuple[str, ...], why: str
) -> None:
    assert portal.ask(*headers, host=host) == "HTTP/1.1 403 Forbidden"
    until(lambda: portal.said(why))


def test_names_of_a_tunnel_can_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIONET_PORTAL_NAMES", "a.example, Tunnel.example")
    tunnelled = Portal(tmp_path)
    try:
        origin = "Origin: https://tunnel.example"
        assert tunnelled.ask(origin, host="tunnel.example") == "HTTP/1.1 200 OK"
        assert tunnelled.ask(origin, host="a.example") == "HTTP/1.1 403 Forbidden"
    finally:
        tunnelled.process.kill()
        tunnelled.process.wait()


def test_who_opened_the_portal_is_asked_for_nothing_but_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIONET_PORTAL_HOST", "0.0.0.0")
    opened = Portal(tmp_path)
    try:
        assert opened.ask() == "HTTP/1.1 200 OK"
        assert opened.ask(host="rebound.example") == "HTTP/1.1 403 Forbidden"
    finally:
        opened.process.kill()
        opened.process.wait()


ASKING = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
connection = socket.socket(socket.AF_UNIX)
connection.connect(chr(0) + sys.argv[1])
connection.recv(1)
"""


@pytest.mark.parametrize(("user", "ours"), [(os.getuid(), True), (NOBODY, False)])
def test_evaluators_and_trials_know_who_is_at_the_other_end(tmp_path: Path, user: int, ours: bool) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can ask as another user")
    name = str(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)  # an abstract name, which every user of the machine can reach
        listener.listen()
        listener.settimeout(60)
        command = [sys.executable, "-c", ASKING, name, str(user)]
        with subprocess.Popen(command), listener.accept()[0] as connection:
            assert of_owner(connection) is ours


def test_the_log_does_not_grow_without_end(portal: Portal) -> None:
    code = """
import http.client, sys
for _ in range(230):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    connection.request("GET", "/", headers={"Host": "rebound.example"})
    assert connection.getresponse().status == 403
"""
    subprocess.run([sys.executable, "-c", code, str(portal.port)], check=True)
    lines = portal.log.read_text().splitlines()
    assert len(lines) == 200 and lines[-1].endswith("further ones are not told")
