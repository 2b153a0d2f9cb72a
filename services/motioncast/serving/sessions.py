"""The layer that sets the session of a call, so that every log line of the call names it."""

from __future__ import annotations

import logging
import secrets

from motioncast.serving.call import Call, Proceed
from motioncast.tracing import ids
from motioncast.wire.sessions import SESSION, session_of


async def name_session(call: Call, proceed: Proceed) -> None:
    """Uses the session that the caller names; a bidirectional stream is a session by itself."""
    session = session_of(call.context.invocation_metadata() or ())
    if not session and call.kind == "bidi_stream" and not call.service.startswith("grpc."):
        session = secrets.token_hex(4)
    token = SESSION.set(session)
    try:
        await proceed(call)
    finally:
        SESSION.reset(token)


class SessionFilter(logging.Filter):
    """Adds the session and the trace of a record to it.

    As the attributes `session`, and `trace_id` and `span_id`.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass."""
        session = SESSION.get()
        if session:
            record.session = session
        for name, value in ids().items():
            setattr(record, name, value)
        return True
