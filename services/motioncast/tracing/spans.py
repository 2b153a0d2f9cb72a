"""What a trace is made of, whoever makes it: the rest of the code knows this module alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Literal, Protocol, TypeAlias

from motioncast.tracing.settings import TraceSettings
from motioncast.wire.errors import InvalidInputError

Attributes: TypeAlias = Mapping[str, str | int | float | bool]
Metadata: TypeAlias = tuple[tuple[str, str], ...]
Kind: TypeAlias = Literal["internal", "client", "server"]

_log: Final = logging.getLogger(__name__)


class Span(Protocol):
    """A part of a trace: something that takes its time, within something else."""

    def within(self) -> AbstractContextManager[None]:
        """Returns a block in which whatever begins is a part of this; its errors end this."""
        ...

    def tell(self, attributes: Attributes) -> None:
        """Adds what is known by now."""
        ...

    def end(self, problem: str = "") -> None:
        """Ends it, as a failure where a problem is named; a second end is nothing."""
        ...


class Tracer(Protocol):
    """Makes spans and carries them from one process to the next."""

    @property
    def follows_callers(self) -> bool:
        """Whether who calls a public service may continue a trace of theirs."""
        ...

    def begin(
        self,
        name: str,
        attributes: Attributes,
        *,
        kind: Kind = "internal",
        since: float | None = None,
        sampled: bool = True,
    ) -> Span:
        """Begins a part of what is current.

        Args:
            name: One of a few.
            attributes: What is known at the start.
            kind: Its place at a call: made here, answered here, or neither.
            since: When it began, on time.perf_counter's clock; None for now.
            sampled: False for one that is left out, with all that is within.
        """
        ...

    def answer(
        self, name: str, attributes: Attributes, metadata: Iterable[tuple[str, Any]], *, trust: bool
    ) -> Span:
        """Begins what answers a call, as a part of what the call's metadata names.

        Args:
            name: Of the method.
            attributes: What is known at the start.
            metadata: Of the call.
            trust: False for a trace of its own, linked to what the metadata names.
        """
        ...

    def names_one(self, metadata: Iterable[tuple[str, Any]]) -> bool:
        """Returns whether a call's metadata names a span."""
        ...

    def metadata(self) -> Metadata:
        """Returns what a call sends along so that its answer is a part of what is current."""
        ...

    def tell(self, attributes: Attributes) -> None:
        """Adds to what is current."""
        ...

    def ids(self) -> Mapping[str, str]:
        """Returns `trace_id` and `span_id` of what is current; nothing where that is left out."""
        ...

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        ...


class _Nothing:
    """The span where nothing is traced."""

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
    """Traces in its block, if the settings or OpenTelemetry's variables name a collector.

    One block at a time in a process; leaving it sends what is left.

    Raises:
        InvalidInputError: The settings name a collector, and the extra `traces` is not installed;
            where the variables alone do, a warning says so instead.
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
    """Returns what traces in this process; None where nothing is traced."""
    return _tracer


def span(name: str, attributes: Attributes) -> AbstractContextManager[Span]:
    """Returns a block that is a span, a part of what is current; yields it."""
    return _NO_BLOCK if _tracer is None else _block(_tracer.begin(name, attributes))


def tell(attributes: Attributes) -> None:
    """Adds to the span that is current."""
    if _tracer is not None:
        _tracer.tell(attributes)


def ids() -> Mapping[str, str]:
    """Returns `trace_id` and `span_id` of what is current, as 32 and 16 hexadecimal digits."""
    return _NO_IDS if _tracer is None else _tracer.ids()


@contextmanager
def _block(begun: Span) -> Iterator[Span]:
    with begun.within():
        yield begun
    begun.end()


def _made(settings: TraceSettings) -> Tracer | None:
    try:
        from motioncast.tracing.otel import OpenTelemetry  # late: nobody else has to have it
    except ModuleNotFoundError as error:
        problem = f"{error.name} is not installed: pip install 'motioncast[traces]'"
        if settings.endpoint is not None:
            raise InvalidInputError.of("traces-endpoint", problem) from None
        _log.warning("nothing is traced, though the environment names a collector: %s", problem)
        return None
    return OpenTelemetry(settings)
