"""The access log: one structured line per call, as text or as JSON."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import grpc
import grpc.aio

from motioncast.serving.call import Call, Proceed, watching
from motioncast.serving.sessions import SessionFilter
from motioncast.wire.sessions import SESSION

_log: Final = logging.getLogger("motioncast.access")


class AccessLog:
    """Logs the outcome of each call when it has ended.

    Args:
        levels: Log levels by service. Other services log at INFO, gRPC's own at DEBUG, because
            probes call them every second.
    """

    def __init__(self, levels: Mapping[str, int]) -> None:
        self._levels = levels

    def _level(self, service: str) -> int:
        grpcs = logging.DEBUG if service.startswith("grpc.") else logging.INFO
        return self._levels.get(service, grpcs)

    async def log(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed and logs one line."""
        await _log_call(call, proceed, self._level(call.service))


async def _log_call(call: Call, proceed: Proceed, level: int) -> None:
    received = sent = 0

    async def receive() -> bytes | None:
        nonlocal received
        message = await call.receive()
        received += len(message or b"")
        return message

    async def send(message: bytes) -> None:
        nonlocal sent
        await call.send(message)
        sent += len(message)

    def ended(code: grpc.StatusCode, seconds: float) -> None:
        fields = {
            "method": f"{call.service}/{call.method}",
            "code": code.name,
            "seconds": round(seconds, 6),
            "peer": call.peer,
            "received_bytes": received,
            "sent_bytes": sent,
        }
        line = " ".join(f"{name}={value}" for name, value in fields.items())
        session = SESSION.get()
        _log.log(level, line, extra={**fields, "session": session} if session else fields)

    with watching(call.context, ended):
        await proceed(replace(call, receive=receive, send=send))


def leave_out_callers_that_left() -> None:
    """Keeps grpc from logging a traceback for every response whose caller has disconnected."""
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_of_interest)


def _is_of_interest(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, grpc.aio.InternalError)


class TextFormatter(logging.Formatter):
    """Formats a record as one line, with its session."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(where)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        session = getattr(record, "session", "")
        record.where = f"session={session} " if session else ""
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with its `extra` fields."""

    _standard = frozenset(vars(logging.makeLogRecord({}))) | {
        "message",
        "asctime",
        "taskName",
        "where",
    }

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{record.msecs:03.0f}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in self._standard}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure_logging(*, as_json: bool = False, level: str = "INFO") -> None:
    """Sends every log record to standard error, as text or as one line of JSON each."""
    handler = logging.StreamHandler()
    handler.addFilter(SessionFilter())
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
