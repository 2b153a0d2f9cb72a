"""Samples the parts of an endless activity, so that a trace stays finite."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from motioncast.tracing.spans import NOTHING, active
from motioncast.tracing.tracer import Attributes, Span

FIRST: Final = 16
EVERY_SECONDS: Final = 10.0


class Parts:
    """The first FIRST parts of an activity are spans, and then one every EVERY_SECONDS.

    A session of an hour at 25 frames/s has ten thousand groups of nine spans each; a collector
    accepts traces of a few thousand. Everything within a part that is left out is left out too, in
    every process.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun = 0
        self._last = 0.0

    def begin(self, attributes: Callable[[], Attributes], since: float) -> Span:
        """Begins the next part.

        Args:
            attributes: Returns the span's attributes; called only if the part is traced.
            since: When the part began, on time.perf_counter's clock.
        """
        tracer = active()
        if tracer is None:
            return NOTHING
        now = time.monotonic()
        sampled = self._begun < FIRST or now - self._last >= EVERY_SECONDS
        if not sampled:
            return tracer.begin(self._name, {}, sampled=False)
        self._begun, self._last = self._begun + 1, now
        return tracer.begin(self._name, attributes(), since=since)
