"""One direction of a network: packets go in at their time, and come out later, or not at all.

    lost?  ->  queue, bandwidth  ->  delay and jitter, in order  ->  held back?  ->  once or twice

Every packet draws the same number of random numbers, whatever the link does: the same packets are
lost with and without jitter. The caller supplies the time.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np

from motioncast.emulation.link import Link
from motioncast.emulation.losses import Losses

_DRAWS: Final = 4  # per packet: loss, jitter, reordering, duplication


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """A packet that got through."""

    seconds: float
    number: int  # among the packets sent, from 0
    copy: int  # 1 for a duplicate
    data: bytes


class Network:
    """A link in use.

    Args:
        link: The link's properties.
        seed: The same seed gives the same arrivals for the same packets; another one, other losses.

    Attributes:
        sent: Packets that went in.
        lost: Those that never come out, including those dropped from a full queue.
        now: The latest time that was given.
    """

    def __init__(self, link: Link, seed: int | tuple[int, ...] = 0) -> None:
        self._link = link
        self._random = np.random.default_rng(seed)
        self._losses = Losses(link)
        self._under_way: list[Arrival] = []
        self.now = 0.0
        self._free = 0.0  # when the last packet leaves the queue
        self._latest = 0.0  # latest arrival of a packet that keeps the order
        self.sent = 0
        self.lost = 0

    def send(self, data: bytes, now: float) -> None:
        """Takes a packet at a time in seconds; ValueError if the clock goes back."""
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
        """Returns the packets that arrived up to a time and were not delivered yet, in order."""
        self._advance(until)
        arrived = []
        while self._under_way and self._under_way[0].seconds <= until:
            arrived.append(heapq.heappop(self._under_way))
        return arrived

    def _leaves(self, size: int, now: float) -> float | None:
        """Returns when a packet has passed the bandwidth limit; None if the queue is full."""
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
