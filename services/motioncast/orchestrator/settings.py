"""Where the orchestrator finds the services, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from motioncast.serving import ChannelTls
from motioncast.wire.errors import InvalidInputError

MAX_STRETCH_FRAMES: Final = 32  # the paper's 5:27; a longer group is processed in several stretches


@dataclass(frozen=True, slots=True)
class ServiceAddresses:
    """Addresses as gRPC reads them: `host:port`, or `dns:///name:port` to spread over replicas."""

    keypoint: str
    predictor: str
    synthesis: str
    tls: ChannelTls | None = None  # how they are reached; None: in plain text
    token: Path | None = None  # file of the token that they ask for; read anew when it changes


@dataclass(frozen=True, slots=True)
class OrchestratorSettings:
    """The orchestrator's limits.

    Raises:
        InvalidInputError: When a value is out of its range.
    """

    max_sessions: int = 64  # served at once
    max_sessions_per_peer: int | None = None  # of one address; None: a quarter of all
    calls_per_second: float = 100.0  # that one peer may begin, of whatever kind
    max_message_bytes: int = (
        8 * 1024 * 1024
    )  # of one message from a client; GetServerInfo states it
    call_timeout_seconds: float = 30.0  # for one call of a service behind it
    merge_frames: int = 8  # short groups that wait are processed together up to so many frames

    def __post_init__(self) -> None:
        for field in ("max_sessions", "max_message_bytes"):
            if not getattr(self, field) >= 1:
                raise InvalidInputError.of(field, f"{getattr(self, field)} is less than 1")
        if self.max_sessions_per_peer is not None and self.max_sessions_per_peer < 1:
            raise InvalidInputError.of(
                "max_sessions_per_peer", f"{self.max_sessions_per_peer} is less than 1"
            )
        if not 1 <= self.merge_frames <= MAX_STRETCH_FRAMES:
            raise InvalidInputError.of(
                "merge_frames", f"{self.merge_frames} is out of range [1, {MAX_STRETCH_FRAMES}]"
            )
        for field in ("call_timeout_seconds", "calls_per_second"):
            if not getattr(self, field) > 0:
                raise InvalidInputError.of(field, f"{getattr(self, field)} is not above 0")
