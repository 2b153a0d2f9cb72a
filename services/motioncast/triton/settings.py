"""How the embedded Triton listens, is watched and is stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from motioncast.triton.tls import TritonTls
from motioncast.wire.errors import InvalidInputError

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{16,256}")


@dataclass(frozen=True, slots=True)
class TritonSettings:
    """How the embedded Triton listens, is watched and is stopped.

    Raises:
        InvalidInputError: A value is out of range.
    """

    repository: Path
    # Required of clients that load models or share memory; None generates one. Not in the repr.
    secret: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 0  # gRPC, KServe v2; 0 selects a free one
    metrics_port: int = 0  # Prometheus; 0 selects a free one
    metrics_host: str | None = None  # None: same as `host`; the metrics are never encrypted
    tls: TritonTls | None = None  # of gRPC
    start_seconds: float = 300.0  # for the server to load its models
    load_seconds: float = 120.0  # for reloading one model
    drain_seconds: float = 5.0  # for running calls to end, before the server is killed
    canary_seconds: float = 30.0  # how often an idle model is sent a request
    canary_limit_seconds: float = 10.0  # a model that takes longer, and completes nothing, hangs

    def __post_init__(self) -> None:
        if self.secret is not None and not _SECRET.fullmatch(self.secret):
            raise InvalidInputError.of(
                "secret", "must be 16 to 256 letters, digits, hyphens and underscores"
            )
        for name in ("port", "metrics_port"):
            if not 0 <= getattr(self, name) <= 65535:
                raise InvalidInputError.of(
                    name, f"{getattr(self, name)} is out of range [0, 65535]"
                )
        for name in (
            "start_seconds",
            "load_seconds",
            "canary_seconds",
            "canary_limit_seconds",
        ):
            if not getattr(self, name) > 0:
                raise InvalidInputError.of(name, f"{getattr(self, name)} is not above 0")
        if not self.drain_seconds >= 0:
            raise InvalidInputError.of("drain_seconds", f"{self.drain_seconds} is less than 0")
