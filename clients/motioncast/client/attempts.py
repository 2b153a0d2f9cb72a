"""How long a session is tried to be gone on with, and when that makes sense."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import grpc
from grpc_status import rpc_status

from motioncast.client.errors import (
    DeadlineExceededError,
    InvalidRequestError,
    MotioncastError,
    OutOfOrderError,
    UnavailableError,
    from_rpc,
)

STALL_SECONDS: Final = 5.0
RESUME_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.05  # between two attempts to go on
_LONGEST_PAUSE_SECONDS: Final = 0.5
_BROKEN: Final = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)  # where the transport says so, not the server


@dataclass(frozen=True, slots=True)
class Perseverance:
    """When a session is gone on with at another server.

    Attributes:
        stall_seconds: A server that owes something and says nothing for so long is left.
        resume_seconds: For so long it is tried, without a frame in between; 0: never.
    """

    stall_seconds: float = STALL_SECONDS
    resume_seconds: float = RESUME_SECONDS

    def __post_init__(self) -> None:
        if not self.stall_seconds > 0:
            raise InvalidRequestError.of("stall_seconds", f"{self.stall_seconds} is not above 0")
        if not self.resume_seconds >= 0:
            raise InvalidRequestError.of("resume_seconds", f"{self.resume_seconds} is below 0")


class Attempts:
    """How long it has been tried to go on, and whether that makes sense.

    Args:
        perseverance: The caller's.
    """

    def __init__(self, perseverance: Perseverance) -> None:
        self._most = perseverance.resume_seconds
        self._stall_seconds = perseverance.stall_seconds
        self._until: float | None = None  # when the caller's timeout is over
        self._since: float | None = None  # when frames stopped coming
        self._fruitless = 0  # attempts without a frame
        self._lost: MotioncastError | None = None  # why the server before was left
        self._pause = _FIRST_PAUSE_SECONDS
        self.hung = False

    @property
    def persevering(self) -> bool:
        """Whether it is ever tried."""
        return self._most > 0

    @property
    def patience(self) -> float:
        """How long a server that owes something may be silent; longer after every vain attempt."""
        return float(self._stall_seconds * 2**self._fruitless)

    def begin(self, timeout: float | None) -> None:
        """Starts the caller's time."""
        self._until = None if timeout is None else time.monotonic() + timeout

    def seconds_left(self) -> float | None:
        """Returns what is left of the caller's time; None where that has no end."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def progress(self) -> None:
        """Notes that a frame came."""
        self._since, self._fruitless, self._lost = None, 0, None

    def worth(self, failure: Any, *, goes_on: bool) -> bool:
        """Whether another server may do better; one that is full, where a session goes on."""
        code = failure.code()
        if self.hung or code is grpc.StatusCode.UNAVAILABLE:
            return True
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return goes_on and self._lost is not None
        return code in _BROKEN and rpc_status.from_call(failure) is None

    def reason(self, failure: grpc.RpcError, target: str, timeout: float | None) -> MotioncastError:
        """Returns what to tell the caller, if this is the end."""
        if self.hung:
            return UnavailableError(f"{target} has said nothing for {self.patience:g} s")
        error = from_rpc(failure, target, timeout)
        if self._lost is None:
            return error
        if isinstance(error, InvalidRequestError | OutOfOrderError):
            return UnavailableError(f"{self._lost}; nor can the session go on elsewhere: {error}")
        return error if isinstance(error, DeadlineExceededError) else self._lost

    def note(self, reason: MotioncastError) -> None:
        """Notes why a server was left."""
        self._lost = self._lost or reason
        self._fruitless += self.hung
        self.hung = False

    def pause(self) -> float | None:
        """Returns seconds to wait before the next attempt; None when it has been tried enough."""
        now = time.monotonic()
        if self._since is None:
            self._since, self._pause = now, _FIRST_PAUSE_SECONDS
            return 0.0 if self.persevering else None
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        if now + pause - self._since > max(self._most, 2 * self.patience if self.hung else 0.0):
            return None
        return pause
