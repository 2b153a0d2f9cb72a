"""How services in one process reach one another, where their ports are locked.

The process makes an authority of its own, which nobody else has: its services show one another
certificates by it, and no one else can call those behind the orchestrator.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from motioncast.local.certificates import LOCAL_NAMES, MAX_DAYS, make_certificates
from motioncast.serving import ChannelTls, ServerTls


@dataclass(frozen=True, slots=True)
class InnerTls:
    """What the services behind the orchestrator show, and what those show that call them."""

    server: ServerTls
    channel: ChannelTls


@contextmanager
def inner_tls(host: str) -> Iterator[InnerTls]:
    """Yields certificates in a folder for this user alone; leaving removes them.

    Args:
        host: At which the services listen.
    """
    with tempfile.TemporaryDirectory(prefix="motioncast-") as folder:
        names = list(dict.fromkeys((host.strip("[]"), *LOCAL_NAMES)))
        files = make_certificates(Path(folder), names, MAX_DAYS)
        yield InnerTls(
            ServerTls(files["server.pem"], files["server.key"], files["ca.pem"], clients=True),
            ChannelTls(files["ca.pem"], files["client.pem"], files["client.key"]),
        )
