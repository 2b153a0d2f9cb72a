"""How long a client keeps trying to resume a session, and when trying makes sense."""

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
_FIRST_PAUSE_SECONDS: Final = 0.05  # between two attempts to resume
_LONGEST_PAUSE_SECONDS: Final = 0.5
_BROKEN: Final = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)  # when they come from the transport and not from the server


@dataclass(frozen=True, slots=True)
class Perseverance:
    """When a session is resumed at another server.

    Attributes:
        stall_seconds: A server that owes a response and stays silent for this long is abandoned.
        resume_seconds: How long to keep trying without receiving a frame; 0: never resume.
    """

    stall_seconds: float = STALL_SECONDS
    resume_seconds: float = RESUME_SECONDS

    def __post_init__(self) -> None:
        if not self.stall_seconds > 0:
            raise InvalidRequestError.of("stall_seconds", f"{self.stall_seconds} is not above 0")
        if not self.resume_seconds >= 0:
            raise InvalidRequestError.of("resume_seconds", f"{self.resume_seconds} is below 0")


class Attempts:
    """How long a session has been trying to resume, and whether trying again makes sense.

    Args:
        perseverance: The limits that the caller set.
    """

    def __init__(self, perseverance: Perseverance) -> None:
        self._most = perseverance.resume_seconds
        self._stall_seconds = perseverance.stall_seconds
        self._until: float | None = None  # when the caller's timeout expires
        self._since: float | None = None  # when frames stopped arriving
        self._fruitless = 0  # attempts without a frame
        self._lost: MotioncastError | None = None  # why the previous server was abandoned
        self._pause = _FIRST_PAUSE_SECONDS
        self.hung = False

    @property
    def persevering(self) -> bool:
        """Whether sessions are resumed at all."""
        return self._most > 0

    @property
    def patience(self) -> float:
        """How long a server may owe a response in silence; doubles after each such failure."""
        return float(self._stall_seconds * 2**self._fruitless)

    def begin(self, timeout: float | None) -> None:
        """Starts the caller's timeout."""
        self._until = None if timeout is None else time.monotonic() + timeout

    def seconds_left(self) -> float | None:
        """Returns the seconds left of the caller's timeout; None if there is none."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def progress(self) -> None:
        """Notes that a frame arrived."""
        self._since, self._fruitless, self._lost = None, 0, None

    def worth(self, failure: Any, *, goes_on: bool) -> bool:
        """Whether to try another server; if one is full, only when resuming (`goes_on`)."""
        code = failure.code()
        if self.hung or code is grpc.StatusCode.UNAVAILABLE:
            return True
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return goes_on and self._lost is not None
        return code in _BROKEN and rpc_status.from_call(failure) is None

    def reason(self, failure: grpc.RpcError, target: str, timeout: float | None) -> MotioncastError:
        """Returns the error to raise if there is no further attempt."""
        if self.hung:
            return UnavailableError(f"{target} has not responded for {self.patience:g} s")
        error = from_rpc(failure, target, timeout)
        if self._lost is None:
            return error
        if isinstance(error, InvalidRequestError | OutOfOrderError):
            return UnavailableError(
                f"{self._lost}; and the session cannot be resumed elsewhere: {error}"
            )
        return error if isinstance(error, DeadlineExceededError) else self._lost

    def note(self, reason: MotioncastError) -> None:
        """Notes why a server was abandoned."""
        self._lost = self._lost or reason
        self._fruitless += self.hung
        self.hung = False

    def pause(self) -> float | None:
        """Returns the seconds to wait before the next attempt; None to give up."""
        now = time.monotonic()
        if self._since is None:
            self._since, self._pause = now, _FIRST_PAUSE_SECONDS
            return 0.0 if self.persevering else None
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        if now + pause - self._since > max(self._most, 2 * self.patience if self.hung else 0.0):
            return None
        return pause
