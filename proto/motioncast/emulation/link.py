"""The effects of a link on packets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MAX_SECONDS: Final = 60.0  # of a delay
MAX_BURST_PACKETS: Final = 1000.0


class LinkError(ValueError):
    """The settings of a link are invalid; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Link:
    """One direction of a network.

    Losses are independent of each other, or come in bursts (`mean_burst`). Jitter lengthens the
    delay and keeps the order; reordered packets are held back and overtaken by later ones.

    Raises:
        LinkError: A number is out of its range, or bursts are too short for that much loss.
    """

    loss: float = 0.0  # share of packets that are lost, below 1
    mean_burst: float | None = None  # mean number of consecutive losses; None: independent losses
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0  # added to the delay, uniform from 0 to this
    reordered: float = 0.0  # share of packets held back
    reordered_seconds: float = 0.05  # how long they are held back
    duplicated: float = 0.0  # share of packets that arrive twice
    bits_per_second: float | None = None  # None: unlimited
    queue_bytes: int = 64_000  # waiting for the bandwidth; anything beyond is dropped

    def __post_init__(self) -> None:
        _share("loss", self.loss)
        _share("reordered", self.reordered)
        _share("duplicated", self.duplicated)
        for name in ("delay_seconds", "jitter_seconds", "reordered_seconds"):
            _require(0 <= getattr(self, name) <= MAX_SECONDS, f"{name}: 0 to {MAX_SECONDS:g}")
        _require(self.loss < 1, "loss: below 1")
        if self.mean_burst is not None:
            _require(1 <= self.mean_burst <= MAX_BURST_PACKETS, "mean_burst: 1 to 1000 packets")
            # Between bursts there is at least 1 good packet on average.
            shortest = self.loss / (1 - self.loss)
            _require(self.mean_burst >= shortest, f"mean_burst: {shortest:g} or more for that loss")
        rate = self.bits_per_second
        _require(rate is None or (math.isfinite(rate) and rate > 0), "bits_per_second: above 0")
        _require(self.queue_bytes >= 0, "queue_bytes: 0 or more")


def _share(name: str, value: float) -> None:
    _require(0 <= value <= 1, f"{name}: 0 to 1")


def _require(holds: bool, expected: str) -> None:
    if not holds:
        raise LinkError(f"{expected} expected")
