"""The layer that makes a call a span of a trace (https://opentelemetry.io/docs/specs/semconv/rpc/).

Installed only if tracing is on when the server starts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import grpc

from motioncast.serving.call import Call, Proceed, watching
from motioncast.tracing.calls import SERVERS_FAULT, call_attributes, ended_attributes
from motioncast.tracing.tracer import Span, Tracer
from motioncast.wire.addresses import host_of
from motioncast.wire.sessions import SESSION


class TraceLayer:
    """Traces the calls of one server.

    Args:
        tracer: Makes the spans.
        host: Host that the server listens on.
        port: Returns the port that the server listens on.
        public: Whether anybody may call. Public callers' traces are not continued, unless the
            tracer follows callers, because callers would then decide how much is traced here.
        questions: Service and method of calls that cost nothing, and that start no trace.
    """

    def __init__(
        self,
        tracer: Tracer,
        host: str,
        port: Callable[[], int],
        *,
        public: bool,
        questions: Collection[tuple[str, str]] = (),
    ) -> None:
        self._tracer = tracer
        self._host = host
        self._port = port
        self._trust = not public or tracer.follows_callers
        self._questions = questions

    async def trace(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed within a span; probes start none."""
        metadata = call.context.invocation_metadata() or ()
        probe = call.service.startswith("grpc.") or (call.service, call.method) in self._questions
        if probe and not (self._trust and self._tracer.names_one(metadata)):
            await proceed(call)
            return
        method = f"{call.service}/{call.method}"
        known = {
            **call_attributes(method, self._host, self._port()),
            "client.address": host_of(call.peer),
        }
        if session := SESSION.get():
            known["motioncast.session.id"] = session
        span = self._tracer.answer(method, known, metadata, trust=self._trust)

        def ended(code: grpc.StatusCode, seconds: float) -> None:
            _end(span, code)

        with span.within(), watching(call.context, ended):
            await proceed(call)


def _end(span: Span, code: grpc.StatusCode) -> None:
    failed = code.name in SERVERS_FAULT
    span.tell(ended_attributes(code.name, failed=failed))
    span.end(code.name if failed else "")
