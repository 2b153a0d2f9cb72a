"""What a link does to packets."""

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
    delay and keeps the order; reordered packets are held back, so that later ones overtake them.

    Raises:
        LinkError: A number is out of its range, or bursts so short cannot lose that much.
    """

    loss: float = 0.0  # share of packets that are lost, below 1
    mean_burst: float | None = None  # packets lost in a row, on average; None: independent losses
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0  # on top, uniform from 0 to this
    reordered: float = 0.0  # share of packets held back
    reordered_seconds: float = 0.05  # by how long
    duplicated: float = 0.0  # share of packets that come twice
    bits_per_second: float | None = None  # None: without bound
    queue_bytes: int = 64_000  # that wait for the bandwidth; what comes on top is lost

    def __post_init__(self) -> None:
        _share("loss", self.loss)
        _share("reordered", self.reordered)
        _share("duplicated", self.duplicated)
        for name in ("delay_seconds", "jitter_seconds", "reordered_seconds"):
            _require(0 <= getattr(self, name) <= MAX_SECONDS, f"{name}: 0 to {MAX_SECONDS:g}")
        _require(self.loss < 1, "loss: below 1")
        if self.mean_burst is not None:
            _require(1 <= self.mean_burst <= MAX_BURST_PACKETS, "mean_burst: 1 to 1000 packets")
            # Good packets in a row, 1 on average at least, between bursts.
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
