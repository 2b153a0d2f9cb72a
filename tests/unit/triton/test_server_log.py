"""Triton's log lines reach our log at the same level."""

from __future__ import annotations

import asyncio
import logging

import pytest

from motioncast.triton.process import relay

_LINES = b"""\
I1123 01:20:36.372290 31377 grpc_server.cc:2558] "Started GRPCInferenceService at 127.0.0.1:1"
W1123 01:20:36.372290 31377 a.cc:1] "take care"
E1123 01:20:36.372290 31377 b.cc:22] "failed to load"
+---------+------+
\xff not text

"""


@pytest.mark.parametrize("tail", [b"", b"x" * 200])
async def test_lines_are_relayed_at_their_levels(
    caplog: pytest.LogCaptureFixture, tail: bytes
) -> None:
    caplog.set_level(logging.DEBUG, "motioncast.triton")
    lines = asyncio.StreamReader(limit=100)
    lines.feed_data(_LINES + tail)  # an unfinished line over the limit is dropped
    lines.feed_eof()
    await relay(lines)
    assert lines.at_eof()
    told = [(it.levelname, it.message) for it in caplog.records if it.name.endswith(".server")]
    assert told[:5] == [
        ("INFO", "grpc_server.cc:2558: Started GRPCInferenceService at 127.0.0.1:1"),
        ("WARNING", "a.cc:1: take care"),
        ("ERROR", "b.cc:22: failed to load"),
        ("DEBUG", "+---------+------+"),
        ("DEBUG", "\N{REPLACEMENT CHARACTER} not text"),
    ]
