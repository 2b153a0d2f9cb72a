"""The time by which a call has to be answered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import grpc.aio


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time by which a call has to be answered; `Deadline()` is none."""

    at: float | None = None  # on the clock of time.monotonic

    @classmethod
    def of(cls, context: grpc.aio.ServicerContext[Any, Any]) -> Deadline:
        """Returns the deadline that the caller set."""
        return cls.after(context.time_remaining())

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """Returns the deadline that is so many seconds away; no deadline for None."""
        return cls() if seconds is None else cls(time.monotonic() + seconds)

    def earlier(self, other: Deadline) -> Deadline:
        """Returns the earlier of the two."""
        moments = [one.at for one in (self, other) if one.at is not None]
        return Deadline(min(moments, default=None))

    def remaining_seconds(self) -> float | None:
        """Returns the seconds left, at least 0; None when there is no deadline."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())
