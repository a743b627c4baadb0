"""HTTP through a Unix socket: `unix://<quoted path>/what/is/asked`. Standard library only."""

from __future__ import annotations

import http.client
import socket
import urllib.request
from typing import Any
from urllib.parse import quote, unquote


class _Connection(http.client.HTTPConnection):
    """A connection whose host is the path of a socket file; it is quoted, for a host has no spaces."""

    def __init__(self, host: str, /, **options: Any) -> None:
        super().__init__(quote(host, safe=""), **options)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(unquote(self.host))


class UnixHandler(urllib.request.AbstractHTTPHandler):
    """Lets urllib open such addresses."""

    def unix_request(self, request: urllib.request.Request) -> urllib.request.Request:
        """What urllib calls first. The manager asks whom a request is meant for: it, on its own machine."""
        request.add_unredirected_header("Host", "localhost")
        return self.do_request_(request)

    def unix_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """What urllib calls then."""
        return self.do_open(_Connection, request)
