"""A JSON log record is one machine-readable line."""

from __future__ import annotations

import json
import logging
import sys

from motioncast.serving.logs import JsonFormatter, TextFormatter
from motioncast.serving.sessions import SessionFilter
from motioncast.wire.sessions import SESSION


def test_a_record_keeps_its_message_and_its_extra_fields() -> None:
    record = logging.makeLogRecord(
        {"name": "motioncast.access", "levelname": "INFO", "msg": "%d frames", "args": (3,)}
    )
    record.created, record.msecs = 1_700_000_000.25, 250.0
    record.code = "OK"
    assert json.loads(JsonFormatter().format(record)) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "INFO",
        "logger": "motioncast.access",
        "message": "3 frames",
        "code": "OK",
    }


def test_an_exception_stays_within_the_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


def record_of_a_session() -> logging.LogRecord:
    record = logging.makeLogRecord({"name": "motioncast.x", "levelname": "INFO", "msg": "made"})
    token = SESSION.set("ab12")
    try:
        assert SessionFilter().filter(record)
    finally:
        SESSION.reset(token)
    return record


def test_every_line_of_a_session_tells_it() -> None:
    record = record_of_a_session()
    assert json.loads(JsonFormatter().format(record))["session"] == "ab12"
    assert TextFormatter().format(record).endswith("INFO motioncast.x session=ab12 made")


def test_a_line_of_no_session_tells_none() -> None:
    record = logging.makeLogRecord({"name": "motioncast.x", "levelname": "INFO", "msg": "made"})
    assert SessionFilter().filter(record)
    assert "session" not in json.loads(JsonFormatter().format(record))
    assert TextFormatter().format(record).endswith("INFO motioncast.x made")
