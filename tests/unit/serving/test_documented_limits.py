"""The limits in docs/limits.md match the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from motioncast.framing import size_problem
from motioncast.local.services import INTERNAL_MESSAGE_BYTES
from motioncast.orchestrator import OrchestratorSettings, seats
from motioncast.orchestrator.configuration import MAX_FRAME_COUNT
from motioncast.serving import (
    MAX_QUESTION_BYTES,
    ServerSettings,
    admission,
    elements,
    errors,
    flooding,
    http,
    server,
)
from motioncast.timeline.due import MAX_GAP_FRAMES
from motioncast.timeline.pattern import MAX_GROUP_FRAMES

TABLE = [
    line
    for line in (Path(__file__).parents[3] / "docs" / "limits.md").read_text().splitlines()
    if line.startswith("| ")
]
SERVER, ORCHESTRATOR = ServerSettings(), OrchestratorSettings()

BOUNDS = {
    "bytes of one message": (ORCHESTRATOR.max_message_bytes, INTERNAL_MESSAGE_BYTES),
    "bytes of a request without a payload": (MAX_QUESTION_BYTES,),
    "bytes of a request to": (server._MAX_PROBE_BYTES,),
    "elements of one message": (elements.MAX_FIELDS,),
    "bytes of repeated integers": (elements.MAX_NUMBER_BYTES,),
    "M and N": (MAX_GROUP_FRAMES,),
    "`frame_count`": (MAX_FRAME_COUNT,),
    "consecutive frames left out": (MAX_GAP_FRAMES,),
    "sessions at once": (ORCHESTRATOR.max_sessions,),
    "silence of a client": (f"{SERVER.silence_seconds:g} s", "60 s"),
    "silence of one": (f"{seats._SILENT_SECONDS:g} s",),
    "a client that does not read": (f"{SERVER.stall_seconds:g} s",),
    "watches of health": (admission.MAX_WATCHES,),
    "connections on which no call": ("half of the places",),
    "connections of gRPC": (SERVER.max_connections,),
    "connections to its HTTP": (SERVER.max_http_connections, f"{http._SECONDS:g} s"),
    "calls at once on one": (SERVER.max_calls_per_connection, server._LEAST_CALLS),
    "a handshake": (f"{server._HANDSHAKE_MILLISECONDS / 1000:g} s",),
    "calls that one peer begins": (f"{ORCHESTRATOR.calls_per_second:g} a second",),
    "what one peer sends": (
        flooding.RATE_BYTES,
        flooding.BURST_BYTES,
    ),
    "calls at once at one server": (SERVER.max_calls,),
    "bytes of a call's metadata": (server.MAX_METADATA_BYTES,),
    "an answer": (f"{SERVER.stall_seconds:g} s",),
    "the request of a unary call": (f"{SERVER.silence_seconds:g} s",),
    "age of a connection": (f"{SERVER.max_connection_age_seconds:g} s",),
    "a sentence": (errors._MAX_SENTENCE,),
}


@pytest.mark.parametrize("what", BOUNDS)
def test_the_table_has_the_bound(what: str) -> None:
    (row,) = (line for line in TABLE if line.startswith(f"| {what}"))
    bound = row.split(" | ")[1]
    for value in BOUNDS[what]:
        assert str(value) in bound


def test_pictures_have_the_bounds_of_the_table() -> None:
    assert size_problem(16, 16) is None
    assert size_problem(4096, 2048) is None  # 8388608 pixels
    for width, height in ((15, 16), (4097, 16), (4096, 2049)):
        assert size_problem(width, height) is not None
