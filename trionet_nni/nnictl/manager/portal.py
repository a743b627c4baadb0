"""The portal: keeping it on this machine, noticing where it is not, and what it shows of the space."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import psutil

from trionet_nni.architecture.architecture import block_label, depth_label
from trionet_nni.architecture.table import SpaceTable

LOOPBACK = Path(__file__).parents[1] / "loopback.cjs"
PATIENCE = LOOPBACK.with_name("patience.cjs")


def loopback_environment(*others: Path) -> dict[str, str]:
    """This process's environment, with the preload that keeps NNI's manager on 127.0.0.1, and others."""
    before = os.environ.get("NODE_OPTIONS", "")
    preloads = [f'--require="{path}"' for path in (LOOPBACK, *others)]
    return {**os.environ, "NODE_OPTIONS": " ".join([before, *preloads]).strip()}


def free_port(start: int = 8080, count: int = 1) -> int:
    """The first port from `start` up where it and the `count` − 1 after it are free.

    Raises:
        OSError: there is none.
    """
    for port in range(start, 65536 - count):
        if all(_is_free(number) for number in range(port, port + count)):
            return port
    raise OSError(f"no free port from {start} up")


def _is_free(port: int) -> bool:
    """Nobody answers here, and it can be bound on every interface."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def listens_everywhere(port: int) -> bool:
    """Whether a socket of this machine accepts connections to `port` from other machines."""
    return any(not loopback for number, loopback in listening_sockets() if number == port)


def listening_sockets() -> list[tuple[int, bool]]:
    """(port, bound to loopback or not) of every listening TCP socket, also those of other users.

    None where the system does not tell: macOS tells root alone.
    """
    try:
        found = psutil.net_connections("tcp")
    except (OSError, psutil.Error):
        return []
    return [
        (one.laddr.port, _is_loopback(one.laddr.ip)) for one in found if one.status == psutil.CONN_LISTEN
    ]


def _is_loopback(text: str) -> bool:
    """Of an IPv4 or IPv6 address; `::ffff:127.0.0.1` is IPv4's loopback on an IPv6 socket."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def nni_search_space(table: SpaceTable) -> dict[str, dict[str, Any]]:
    """A table as NNI's `searchSpace`: one choice per label, for the portal's hyper-parameter view."""
    return {
        label: {"_type": "choice", "_value": list(values)} for label, values in space_labels(table).items()
    }


def space_labels(table: SpaceTable) -> dict[str, tuple[Any, ...]]:
    """Every label of NNI's flat sample with its choices, active or not."""
    labels: dict[str, tuple[Any, ...]] = {}
    for stage, depths in enumerate(table.depths):
        labels[depth_label(stage)] = depths
    for stage, block in table.positions():
        prefix = block_label(stage, block)
        labels[f"{prefix}.operator"] = table.operator_names
        for choices in table.operators:
            for name, values in choices.options:
                labels[f"{prefix}.{choices.operator}.{name}"] = values
    return labels
