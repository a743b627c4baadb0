"""The manager's REST interface through a Unix socket, as trials on hosts have it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from urllib.parse import quote

import pytest

from trionet_nni.nnictl.manager.rest import MANAGER, Manager


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f'{{"path": "{self.path}", "host": "{self.headers["Host"]}"}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent; a Unix socket has no address to tell."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "a socket"
    server = ThreadingUnixStreamServer(str(path), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"unix://{quote(str(path), safe='')}"
    server.shutdown()
    server.server_close()


def test_a_question(address: str) -> None:
    """The manager serves only who asks for it by the name of its own machine."""
    asked = Manager(address).get("/trial-jobs/x?type=y")
    assert asked == {"path": "/api/v1/nni/trial-jobs/x?type=y", "host": "localhost"}


def test_a_trial_on_a_host_asks_there(address: str) -> None:
    channel = "http://localhost:1/env/remote-worker1/abc"
    assert Manager.of_trial(channel, {}).address == "http://localhost:1"
    assert Manager.of_trial(channel, {MANAGER: address}).get("/x")["path"] == "/api/v1/nni/x"


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Manager(f"unix://{quote(str(tmp_path / 'nobody'), safe='')}").get("/x")
