"""The access log: one structured line for each call, as text or as JSON."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from typing import Any, Final

from motioncast.serving.call import Call, Proceed, outcome

_log: Final = logging.getLogger("motioncast.access")


async def log_access(call: Call, proceed: Proceed) -> None:
    """Logs how one call went when it has ended."""
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

    started, error = time.perf_counter(), None
    try:
        await proceed(replace(call, receive=receive, send=send))
    except BaseException as raised:
        error = raised
        raise
    finally:
        fields = {
            "method": f"{call.service}/{call.method}",
            "code": outcome(call.context, error).name,
            "seconds": round(time.perf_counter() - started, 6),
            "peer": call.context.peer(),
            "received_bytes": received,
            "sent_bytes": sent,
        }
        # Probes come every second; nobody wants to read them.
        level = logging.DEBUG if call.service.startswith("grpc.") else logging.INFO
        _log.log(level, " ".join(f"{name}={value}" for name, value in fields.items()), extra=fields)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with the fields that came as `extra`."""

    _standard = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

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
    handler.setFormatter(
        JsonFormatter()
        if as_json
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
