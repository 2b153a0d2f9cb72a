"""A UDP forwarder between a client and a server on loopback that counts, drops and delays.

The treatment of a datagram depends only on a seed and the datagram's number.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

Treatment = Callable[[int, int], float | None]  # number, size -> delay in seconds; None: lost

HEADERS: Final = 28  # UDP and IPv4


def carry_all(number: int, size: int) -> float | None:
    """Loses nothing and delays nothing."""
    return 0.0


class RandomLoss:
    """Drops a share of the small datagrams and no larger ones, so handshakes get through."""

    def __init__(self, share: float, seed: int, small_bytes: int = 400) -> None:
        self._share, self._small = share, small_bytes
        self._random = random.Random(seed)

    def __call__(self, number: int, size: int) -> float | None:
        lost = self._random.random() < self._share
        return None if lost and size <= self._small else 0.0


class Forwarder:
    """Forwards datagrams while its block is entered.

    Args:
        upstream: Treatment of clients' datagrams.
        downstream: Treatment of the server's datagrams.

    Attributes:
        port: Port that clients send to.
        to_server: Number of datagrams from clients, and their bytes on the wire (IPv4).
        to_client: The same for datagrams from the server.
        lost: Number of dropped datagrams.
    """

    def __init__(self, upstream: Treatment = carry_all, downstream: Treatment = carry_all) -> None:
        self._treat = {"up": upstream, "down": downstream}
        self.port = 0
        self.server_port = 0
        self.open = True  # False: drops everything
        self.to_server = [0, 0]
        self.to_client = [0, 0]
        self.lost = 0
        self._back: dict[Any, asyncio.DatagramTransport] = {}  # by client

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(
            lambda: _Ears(self._from_client), local_addr=("127.0.0.1", 0)
        )
        self.port = self._front.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._front.close()
        for transport in self._back.values():
            transport.close()

    def _from_client(self, data: bytes, client: Any) -> None:
        self.to_server[0] += 1
        self.to_server[1] += len(data) + HEADERS
        asyncio.get_running_loop().create_task(self._up(data, client))

    async def _up(self, data: bytes, client: Any) -> None:
        number = self.to_server[0]
        delay = self._treat["up"](number, len(data))
        if delay is None or not self.open:
            self.lost += 1
            return
        if client not in self._back:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Ears(lambda answer, _: self._from_server(answer, client)),
                remote_addr=("127.0.0.1", self.server_port),
            )
            self._back[client] = transport
        if delay:
            await asyncio.sleep(delay)
        self._back[client].sendto(data)

    def _from_server(self, data: bytes, client: Any) -> None:
        self.to_client[0] += 1
        self.to_client[1] += len(data) + HEADERS
        delay = self._treat["down"](self.to_client[0], len(data))
        if delay is None or not self.open:
            self.lost += 1
        elif delay:
            loop = asyncio.get_running_loop()
            loop.call_later(delay, self._front.sendto, data, client)
        else:
            self._front.sendto(data, client)


class _Ears(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, Any], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._heard(data, addr)
