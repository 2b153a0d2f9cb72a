"""Frames that were not sent are processed one stretch at a time; others do not wait for them."""

from __future__ import annotations

import asyncio

from motioncast.orchestrator.turns import Turns
from motioncast.timeline.origin import Origin

LOST = [Origin.CONCEALED, Origin.PREDICTED]


class Making:
    """Stretches that are processed until told to end."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self._turns = Turns()

    async def make(self, name: str, origins: list[Origin], end: asyncio.Event) -> None:
        async with self._turns.turn(origins):
            self.now.append(name)
            await end.wait()
        self.now.remove(name)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_lost_stretch_at_a_time_and_others_beside_it() -> None:
    making, ends = Making(), [asyncio.Event() for _ in range(4)]
    tasks = [
        asyncio.create_task(making.make("first", LOST, ends[0])),
        asyncio.create_task(making.make("second", LOST, ends[1])),
        asyncio.create_task(making.make("sent", [Origin.OBSERVED, Origin.CONCEALED], ends[2])),
        asyncio.create_task(making.make("forecast", [Origin.PREDICTED], ends[3])),
    ]
    await settle()
    assert sorted(making.now) == ["first", "forecast", "sent"]
    ends[0].set()
    await settle()
    assert sorted(making.now) == ["forecast", "second", "sent"]
    tasks[1].cancel()  # a cancelled one passes its turn on
    await settle()
    third = asyncio.create_task(making.make("third", LOST, ends[1]))
    await settle()
    assert "third" in making.now
    for end in ends:
        end.set()
    await asyncio.gather(*tasks, third, return_exceptions=True)
