"""Where traces are sent, and how many of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from motioncast.wire.errors import InvalidInputError

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Where traces are sent, and how many; OpenTelemetry's variables supply what is None.

    Raises:
        InvalidInputError: A value is out of range.
    """

    endpoint: str | None = None  # URL of a collector that speaks OTLP over gRPC
    ratio: float | None = None  # of the traces that start here; None: OTEL_TRACES_SAMPLER
    callers: bool = False  # callers of a public service may continue their traces
    service: str = "motioncast"  # service name of the spans

    def __post_init__(self) -> None:
        if self.endpoint is not None:
            url = urlsplit(self.endpoint)
            if url.scheme not in ("http", "https") or not url.hostname:
                raise InvalidInputError.of(
                    "traces-endpoint",
                    f"{self.endpoint!r} is not the URL of a collector, such as"
                    " http://localhost:4317",
                )
        if self.ratio is not None and not 0 <= self.ratio <= 1:
            raise InvalidInputError.of("traces-ratio", f"{self.ratio} is out of range [0, 1]")

    @property
    def wanted(self) -> bool:
        """Whether a collector is named, here or by OpenTelemetry's variables."""
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return False
        if self.endpoint is not None:
            return True
        exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip()
        return exporter == "otlp" and any(os.environ.get(name) for name in _ENDPOINTS)
