"""The addresses of the services behind the orchestrator, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from motioncast.serving import ChannelTls
from motioncast.wire.errors import InvalidInputError

MAX_DATAGRAM_WAIT_SECONDS: Final = 10.0
MAX_STRETCH_FRAMES: Final = 32  # the paper's 5:27; a longer group is processed in several stretches


@dataclass(frozen=True, slots=True)
class ServiceAddresses:
    """Addresses in gRPC's format: `host:port`, or `dns:///name:port` to balance over replicas."""

    keypoint: str
    predictor: str
    synthesis: str
    tls: ChannelTls | None = None  # how to connect to them; None: plain text
    token: Path | None = None  # file of the token that they require; reread when it changes


@dataclass(frozen=True, slots=True)
class DatagramSettings:
    """Where packets of keypoints may arrive as datagrams.

    Raises:
        InvalidInputError: A value is out of range.
    """

    host: str = "127.0.0.1"
    port: int = 0  # UDP; 0 selects a free one
    public_port: int | None = None  # announced to clients, if another port is forwarded here
    wait_seconds: float = 0.06  # how long a frame waits for earlier ones

    def __post_init__(self) -> None:
        for field, port in (("datagram_port", self.port), ("public_port", self.public_port)):
            if port is not None and not 0 <= port <= 65535:
                raise InvalidInputError.of(field, f"{port} is out of range [0, 65535]")
        if not 0 <= self.wait_seconds <= MAX_DATAGRAM_WAIT_SECONDS:
            raise InvalidInputError.of(
                "datagram_wait_seconds",
                f"{self.wait_seconds:g} is out of range [0, {MAX_DATAGRAM_WAIT_SECONDS:g}]",
            )


@dataclass(frozen=True, slots=True)
class OrchestratorSettings:
    """The orchestrator's limits.

    Raises:
        InvalidInputError: A value is out of range.
    """

    max_sessions: int = 64  # concurrent
    max_sessions_per_peer: int | None = None  # None: a quarter of all
    calls_per_second: float = 50.0  # that one peer may start, of any kind
    max_message_bytes: int = (
        8 * 1024 * 1024
    )  # per message received from a client; GetServerInfo reports it
    call_timeout_seconds: float = 10.0  # per call of a service behind it
    slow_seconds: float = 1.0  # after which another replica is asked as well
    merge_frames: int = 8  # waiting short groups are processed together up to this size
    group_slots: int | None = None  # concurrent groups, others wait in fair order; None: 32
    latency_target_seconds: float | None = None  # sessions that would exceed it are refused
    resume_key: Path | None = None  # file, shared by replicas; None: a key for this process
    datagrams: DatagramSettings | None = None  # None: packets use gRPC only

    def __post_init__(self) -> None:
        for field in ("max_sessions", "max_message_bytes", "max_sessions_per_peer", "group_slots"):
            value = getattr(self, field)
            if value is not None and not value >= 1:
                raise InvalidInputError.of(field, f"{value} is less than 1")
        if not 1 <= self.merge_frames <= MAX_STRETCH_FRAMES:
            raise InvalidInputError.of(
                "merge_frames", f"{self.merge_frames} is out of range [1, {MAX_STRETCH_FRAMES}]"
            )
        for field in (
            "call_timeout_seconds",
            "slow_seconds",
            "calls_per_second",
            "latency_target_seconds",
        ):
            value = getattr(self, field)
            if value is not None and not value > 0:
                raise InvalidInputError.of(field, f"{value} is not above 0")
