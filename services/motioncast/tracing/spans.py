"""The current tracer and its spans, which do nothing when tracing is off."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from motioncast.tracing.settings import TraceSettings
from motioncast.tracing.tracer import Attributes, Span, Tracer
from motioncast.wire.errors import InvalidInputError

_log: Final = logging.getLogger(__name__)


class _Nothing:
    """The span used when tracing is off."""

    def within(self) -> AbstractContextManager[None]:
        return nullcontext()

    def tell(self, attributes: Attributes) -> None: ...

    def end(self, problem: str = "") -> None: ...


NOTHING: Final = _Nothing()
_NO_BLOCK: Final = nullcontext(NOTHING)  # may be entered any number of times
_NO_IDS: Final[Mapping[str, str]] = {}
_tracer: Tracer | None = None


@contextmanager
def tracing(settings: TraceSettings) -> Iterator[None]:
    """Traces within its block, if the settings or OpenTelemetry's variables name a collector.

    Only one block may be active in a process; leaving it sends the remaining spans.

    Raises:
        InvalidInputError: The settings name a collector, and the extra `traces` is not installed;
            if only the variables name one, a warning is logged instead.
    """
    global _tracer
    tracer = _made(settings) if settings.wanted else None
    before, _tracer = _tracer, tracer
    try:
        yield
    finally:
        _tracer = before
        if tracer is not None:
            tracer.close()


def active() -> Tracer | None:
    """Returns this process's tracer; None when tracing is off."""
    return _tracer


def span(name: str, attributes: Attributes) -> AbstractContextManager[Span]:
    """Returns a context manager that is a child of the current span, and yields it."""
    return _NO_BLOCK if _tracer is None else _block(_tracer.begin(name, attributes))


def tell(attributes: Attributes) -> None:
    """Adds attributes to the current span."""
    if _tracer is not None:
        _tracer.tell(attributes)


def ids() -> Mapping[str, str]:
    """Returns the current span's `trace_id` and `span_id`, as 32 and 16 hexadecimal digits."""
    return _NO_IDS if _tracer is None else _tracer.ids()


@contextmanager
def _block(begun: Span) -> Iterator[Span]:
    with begun.within():
        yield begun
    begun.end()


def _made(settings: TraceSettings) -> Tracer | None:
    try:
        from motioncast.tracing.otel import OpenTelemetry  # late: it is an optional dependency
    except ModuleNotFoundError as error:
        problem = f"{error.name} is not installed: pip install 'motioncast[traces]'"
        if settings.endpoint is not None:
            raise InvalidInputError.of("traces-endpoint", problem) from None
        _log.warning("tracing is disabled although the environment names a collector: %s", problem)
        return None
    return OpenTelemetry(settings)
