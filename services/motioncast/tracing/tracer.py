"""What a trace is made of, whoever makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeAlias

Attributes: TypeAlias = Mapping[str, str | int | float | bool]
Metadata: TypeAlias = tuple[tuple[str, str], ...]
Kind: TypeAlias = Literal["internal", "client", "server"]


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
