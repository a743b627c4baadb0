"""What a trial talks to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from tests.helpers.fake_manager import FakeManager


@pytest.fixture
def channel() -> Iterator[str]:
    """The address of a fake manager."""
    FakeManager.answers, FakeManager.received = [None], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeManager)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/env/local-env/abc"
    server.shutdown()
    server.server_close()
