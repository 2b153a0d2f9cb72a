"""One direction of a network: packets go in at their time, and come out at theirs, or not.

    lost?  ->  queue, bandwidth  ->  delay and jitter, in order  ->  held back?  ->  once or twice

Every packet draws the same number of random numbers, whatever the link does: the same packets are
lost with and without jitter. The clock is whatever the caller says that the time is.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np

from motioncast.emulation.link import Link
from motioncast.emulation.losses import Losses

_DRAWS: Final = 4  # of a packet: loss, jitter, reordering, duplication


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """A packet that got through."""

    seconds: float
    number: int  # of the packets sent, 0 on
    copy: int  # 1 for the second of two
    data: bytes


class Network:
    """A link in use.

    Args:
        link: What it does to packets.
        seed: The same seed and the same packets arrive the same; another one gives other losses.

    Attributes:
        sent: Packets that went in.
        lost: Of them, those that do not come out, also because the queue was full.
        now: What the time was when it was last told.
    """

    def __init__(self, link: Link, seed: int | tuple[int, ...] = 0) -> None:
        self._link = link
        self._random = np.random.default_rng(seed)
        self._losses = Losses(link)
        self._under_way: list[Arrival] = []
        self.now = 0.0
        self._free = 0.0  # when the last of what was sent has left the queue
        self._latest = 0.0  # arrival of those in order
        self.sent = 0
        self.lost = 0

    def send(self, data: bytes, now: float) -> None:
        """Takes a packet at a time in seconds; ValueError when the clock went back."""
        self._advance(now)
        number, self.sent = self.sent, self.sent + 1
        lost, jitter, reordering, duplication = self._random.random(_DRAWS).tolist()
        dropped = self._losses.lost(lost)
        left = self._leaves(len(data), now)
        if dropped or left is None:
            self.lost += 1
            return
        link = self._link
        seconds = left + link.delay_seconds + jitter * link.jitter_seconds
        if reordering < link.reordered:
            seconds += link.reordered_seconds
        else:
            seconds = self._latest = max(seconds, self._latest)
        copies = 2 if duplication < link.duplicated else 1
        for copy in range(copies):
            heapq.heappush(self._under_way, Arrival(seconds, number, copy, data))

    def deliver(self, until: float) -> list[Arrival]:
        """Returns what has arrived up to a time and was not delivered before, in that order."""
        self._advance(until)
        arrived = []
        while self._under_way and self._under_way[0].seconds <= until:
            arrived.append(heapq.heappop(self._under_way))
        return arrived

    def _leaves(self, size: int, now: float) -> float | None:
        """Returns when a packet has passed the bandwidth; None when the queue has no room."""
        rate = self._link.bits_per_second
        if rate is None:
            return now
        begins = max(now, self._free)
        if (begins - now) * rate / 8 > self._link.queue_bytes:
            return None
        self._free = begins + 8 * size / rate
        return self._free

    def _advance(self, now: float) -> None:
        if now < self.now:
            raise ValueError(f"clock: {now} s goes back, it was {self.now} s")
        self.now = now
