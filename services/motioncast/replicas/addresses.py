"""Resolves a target into the addresses of a service's replicas.

host:port                 one, whatever gRPC makes of the name
host:port,host:port       each of them
dns:///host:port          every address of the name, resolved again every few seconds
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from motioncast.wire.addresses import join_address

LOOK_SECONDS: Final = 5.0  # between two lookups of a name
_NAME: Final = "dns:///"
_MOST: Final = 64  # replicas of one service


def listed(target: str) -> list[str]:
    """Returns the targets in a comma-separated list."""
    return [one.strip() for one in target.split(",") if one.strip()] or [target]


def named(target: str) -> tuple[str, int] | None:
    """Returns the host and port of a name that resolves to the replicas; None for other targets."""
    if not target.startswith(_NAME):
        return None
    host, _, port = target.removeprefix(_NAME).rpartition(":")
    if not host or not port.isdecimal():
        return None
    return host.strip("[]"), int(port)


async def resolved(target: str) -> list[str] | None:
    """Returns the targets of every address of a name; None when it has none at present."""
    found = named(target)
    if found is None:
        return None
    host, port = found
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return None
    addresses = {
        ("ipv6:" if family == socket.AF_INET6 else "ipv4:") + join_address(str(where[0]), port)
        for family, _, _, _, where in answers
        if family in (socket.AF_INET, socket.AF_INET6)
    }
    return sorted(addresses)[:_MOST] or None
