"""How services in one process reach one another when their ports are protected.

The process creates a private authority: its services authenticate to one another with certificates
signed by it, and no one else can call those behind the orchestrator.
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
    """Certificates of the services behind the orchestrator, and of their callers."""

    server: ServerTls
    channel: ChannelTls


@contextmanager
def inner_tls(host: str) -> Iterator[InnerTls]:
    """Yields certificates in a folder readable by this user only; removes them on leaving.

    Args:
        host: Host that the services listen on.
    """
    with tempfile.TemporaryDirectory(prefix="motioncast-") as folder:
        names = list(dict.fromkeys((host.strip("[]"), *LOCAL_NAMES)))
        files = make_certificates(Path(folder), names, MAX_DAYS)
        yield InnerTls(
            ServerTls(files["server.pem"], files["server.key"], files["ca.pem"], clients=True),
            ChannelTls(files["ca.pem"], files["client.pem"], files["client.key"]),
        )
