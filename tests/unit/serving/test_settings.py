"""Invalid settings are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from motioncast.serving import ServerSettings
from motioncast.wire.errors import InvalidInputError


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"port": 65536}, "port: 65536 is out of range [0, 65535]"),
        ({"http_port": -1}, "http_port: -1 is out of range [0, 65535]"),
        ({"max_concurrent_calls": 0}, "max_concurrent_calls: 0 is less than 1"),
        ({"max_queued_calls": -1}, "max_queued_calls: -1 is less than 0"),
        ({"max_message_bytes": 0}, "max_message_bytes: 0 is less than 1"),
        ({"max_connections": 0}, "max_connections: 0 is less than 1"),
        ({"max_http_connections": 0}, "max_http_connections: 0 is less than 1"),
        ({"max_calls_per_connection": 0}, "max_calls_per_connection: 0 is less than 1"),
        ({"max_connection_age_seconds": 0}, "max_connection_age_seconds: 0 is not above 0"),
        ({"silence_seconds": 0}, "silence_seconds: 0 is not above 0"),
        ({"stall_seconds": float("nan")}, "stall_seconds: nan is not above 0"),
        ({"drain_grace_seconds": -0.5}, "drain_grace_seconds: -0.5 is less than 0"),
        ({"drain_grace_seconds": float("nan")}, "drain_grace_seconds: nan is less than 0"),
        ({"readiness_poll_seconds": 0}, "readiness_poll_seconds: 0 is not above 0"),
        ({"readiness_timeout_seconds": 0}, "readiness_timeout_seconds: 0 is not above 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_name(
    values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidInputError) as raised:
        ServerSettings(**values)
    assert str(raised.value) == sentence


def test_a_queue_and_a_grace_of_nothing_are_allowed() -> None:
    ServerSettings(max_queued_calls=0, drain_grace_seconds=0)
