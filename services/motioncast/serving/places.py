"""Limits long calls: a total number of places, and a share of them per peer."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from motioncast.serving.identity import TOKEN_PEER
from motioncast.wire.addresses import host_of
from motioncast.wire.errors import ExhaustedError

RETRY_AFTER_SECONDS: Final = 1.0
SHARE: Final = 4  # one peer gets a quarter of the places
_NETWORK_BITS: Final = (
    64  # of an IPv6 address: one client usually has all addresses of a network of that size
)


@lru_cache(maxsize=4096)
def peer_name(peer: str) -> str:
    """Returns the identity a peer is accounted under: a token's subject, or its address.

    The address has no port; for an IPv6 address it is the network.

    On this machine all callers have the same address, even a proxy that serves others: there each
    connection is a peer.
    """
    if peer.startswith(TOKEN_PEER):
        return peer
    host = host_of(peer)
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return peer  # a Unix domain socket
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return peer
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False))


class Places:
    """A limited number of places, at most a share of them for one peer.

    Args:
        what: What the places are for, the start of error messages: `sessions`.
        most: Limit in total.
        most_per_peer: Limit per peer; None for a quarter of all, at least one.
    """

    def __init__(self, what: str, most: int, most_per_peer: int | None = None) -> None:
        self._what = what
        self._most = most
        self._most_per_peer = max(1, most // SHARE) if most_per_peer is None else most_per_peer
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Number of taken places."""
        return self._taken.total()

    @contextmanager
    def one_for(self, peer: str) -> Iterator[None]:
        """Takes a place for a peer from entering the block until leaving it.

        Raises:
            ExhaustedError: All places are taken, or all that one peer may have.
        """
        name = peer_name(peer)
        if self.taken >= self._most:
            raise self._full(f"{self.taken} are active, the limit is {self._most}")
        if self._taken[name] >= self._most_per_peer:
            raise self._full(
                f"you have {self._taken[name]}, the limit per peer is {self._most_per_peer}"
            )
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]

    def _full(self, problem: str) -> ExhaustedError:
        return ExhaustedError(f"{self._what}: {problem}", retry_after_seconds=RETRY_AFTER_SECONDS)
