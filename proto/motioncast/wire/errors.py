"""Domain errors; `motioncast.wire.status` maps each to a gRPC status.

DomainError
├── InvalidInputError      a field is out of range, unreadable or of the wrong shape
├── OutOfOrderError        a message arrived where the protocol does not allow it
├── UnknownModelError      no model of that name is served
├── UnknownRoomError       nothing is published under that name and token
├── ExhaustedError         too many calls, or too large a message
├── UnauthenticatedError   no token, or one that is not accepted
├── ForbiddenError         a token that does not permit the request
├── UnavailableError       a required service or engine does not respond
└── DeadlineError          the time limit expired
"""

from __future__ import annotations


class DomainError(Exception):
    """An error that the caller can understand and act on; its text is one sentence for them.

    Args:
        message: The sentence. By convention it begins with the field's name:
            `horizon: 300 exceeds the limit of 256`.
        field: Path of the offending field in the request, for example
            `driving_keypoints[3].x`; empty if there is none.
        retry_after_seconds: When a retry may succeed; None if retrying does not help.
    """

    def __init__(
        self, message: str, *, field: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.field = field
        self.retry_after_seconds = retry_after_seconds


class InvalidInputError(DomainError):
    """A field is out of range, unreadable or of the wrong shape."""

    @classmethod
    def of(cls, field: str, problem: str) -> InvalidInputError:
        """Returns the error whose sentence is `field: problem`."""
        return cls(f"{field}: {problem}", field=field)


class OutOfOrderError(DomainError):
    """A message arrived where the protocol does not allow it."""


class UnknownModelError(DomainError):
    """No model of that name is served."""


class UnknownRoomError(DomainError):
    """Nothing is published under that name and token."""


class ExhaustedError(DomainError):
    """Too many calls, or too large a message."""


class UnauthenticatedError(DomainError):
    """No token, or one that is not accepted; no part of it appears in the message."""


class ForbiddenError(DomainError):
    """A token that does not permit the request."""


class UnavailableError(DomainError):
    """A required service or engine does not respond."""


class DeadlineError(DomainError):
    """The time limit expired."""
