"""How long a call waits for a replica, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import grpc.aio
import pytest
from prometheus_client import CollectorRegistry
from support.virtual_time import now, run_virtually

from motioncast.replicas.judging import SERVICES
from motioncast.replicas.pool import ReplicaMetrics, Replicas
from motioncast.serving import Deadline

SLOW = 1.0
ANSWER = 0.01


class Channel:
    """A connection to a replica that answers after a while, or never."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.hangs = False

    async def answer(self) -> str:
        await (asyncio.Event().wait() if self.hangs else asyncio.sleep(ANSWER))
        return self.address

    def unary_unary(self, *_: Any, **__: Any) -> Callable[..., Awaitable[Any]]:
        """Returns a health check that is never answered."""

        async def silent(*_: Any, **__: Any) -> None:
            await asyncio.Event().wait()

        return silent

    async def close(self, grace: float | None = None) -> None:
        """Disconnects."""


def test_one_that_hung_makes_nobody_wait_longer_for_the_next_that_hangs() -> None:
    channels = {address: Channel(address) for address in ("a", "b")}

    async def incidents() -> list[float]:
        replicas = Replicas(
            "synthesis",
            list(channels),
            lambda address: cast(grpc.aio.Channel, channels[address]),
            SERVICES,
            SLOW,
            ReplicaMetrics(CollectorRegistry()),
            now,
        )
        took = []
        for hanging in ("a", "b", "a", "b"):
            for channel in channels.values():
                channel.hangs = channel.address == hanging
            for _ in range(2):  # whichever comes first, the hanging one is called once
                began = now()
                answer = await replicas.call(
                    lambda channel, _: cast(Channel, channel).answer(), Deadline()
                )
                assert answer != hanging
                took.append(now() - began)
        await replicas.close()
        return took

    took = run_virtually(incidents())
    assert max(took) == pytest.approx(SLOW + ANSWER)
    assert min(took) == pytest.approx(ANSWER)
