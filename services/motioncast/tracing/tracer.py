"""The interfaces of tracers and spans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeAlias

Attributes: TypeAlias = Mapping[str, str | int | float | bool]
Metadata: TypeAlias = tuple[tuple[str, str], ...]
Kind: TypeAlias = Literal["internal", "client", "server"]


class Span(Protocol):
    """A part of a trace: an activity with a duration, within another one."""

    def within(self) -> AbstractContextManager[None]:
        """Returns a context in which new spans are children of this one; an error ends it."""
        ...

    def tell(self, attributes: Attributes) -> None:
        """Adds attributes."""
        ...

    def end(self, problem: str = "") -> None:
        """Ends the span, as a failure if a problem is given; later calls do nothing."""
        ...


class Tracer(Protocol):
    """Creates spans and propagates them between processes."""

    @property
    def follows_callers(self) -> bool:
        """Whether callers of a public service may continue their traces."""
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
        """Begins a child of the current span.

        Args:
            name: One of a small set.
            attributes: Attributes known at the start.
            kind: Its side of a call: client, server, or neither.
            since: When it began, on time.perf_counter's clock; None for now.
            sampled: False leaves the span out, with everything within it.
        """
        ...

    def answer(
        self, name: str, attributes: Attributes, metadata: Iterable[tuple[str, Any]], *, trust: bool
    ) -> Span:
        """Begins the span of a served call, as a child of the span that its metadata names.

        Args:
            name: Name of the method.
            attributes: Attributes known at the start.
            metadata: The call's metadata.
            trust: False starts a separate trace, linked to the span that the metadata names.
        """
        ...

    def names_one(self, metadata: Iterable[tuple[str, Any]]) -> bool:
        """Returns whether a call's metadata names a span."""
        ...

    def metadata(self) -> Metadata:
        """Returns metadata for a call, so that its server continues the current trace."""
        ...

    def tell(self, attributes: Attributes) -> None:
        """Adds attributes to the current span."""
        ...

    def ids(self) -> Mapping[str, str]:
        """Returns the current span's `trace_id` and `span_id`; empty if it is left out."""
        ...

    def close(self) -> None:
        """Sends the remaining spans, for a few seconds at most."""
        ...
