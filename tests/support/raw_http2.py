"""Hand-written HTTP/2 for a client that may break the rules: frames are written as requested.

frame   length (24), type (8), flags (8), stream (32), payload          RFC 9113, 4.1
header  0x00, length and name, length and value: literal, not indexed   RFC 7541, 6.2.2
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Final, NamedTuple, Self

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Frame(NamedTuple):
    """A received frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Returns a frame's bytes."""
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
    return head + payload


def field(name: bytes, value: bytes) -> bytes:
    """Returns a header field's bytes."""
    return b"\0" + _length(name) + name + _length(value) + value


def call_headers(path: str, *more: tuple[bytes, bytes]) -> bytes:
    """Returns the header block of a gRPC call to `/package.Service/Method`, with extra fields."""
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *more,
    ]
    return b"".join(field(name, value) for name, value in fields)


def message(size: int) -> bytes:
    """Returns the five-byte prefix of an uncompressed gRPC message of `size` bytes."""
    return b"\0" + struct.pack(">I", size)


class RawHttp2:
    """One connection with the preface sent; a thread reads frames and keeps them for `wait_for`.

    Args:
        target: host:port.
        reads: Whether to read at all; an attacker may leave all answers unread.
    """

    def __init__(self, target: str, *, reads: bool = True) -> None:
        host, port = target.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0
        self.frames: list[Frame] = []
        self.ended = threading.Event()  # set when the server hangs up
        self._arrived = threading.Condition()
        self._stream = -1
        self.send(PREFACE + frame(SETTINGS, 0, 0))
        self._reader = threading.Thread(target=self._read, daemon=True)
        if reads:
            self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):  # the server may have closed it already
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._reader.is_alive():
            self._reader.join()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Sends raw bytes.

        Raises:
            OSError: The server hung up, or accepts no data for 30 s.
        """
        self._socket.sendall(data)
        self.sent += len(data)

    def would_wait(self) -> bool:
        """Returns whether sending would block now."""
        return not select.select([], [self._socket], [], 0)[1]

    def call(self, path: str, *more: tuple[bytes, bytes], then: bytes = b"") -> int:
        """Opens a call, sending `then` in the same write; returns its stream."""
        self._stream += 2
        opened = frame(HEADERS, END_HEADERS, self._stream, call_headers(path, *more))
        self.send(opened + then)
        return self._stream

    def open_headers(self, block: bytes) -> None:
        """Opens a call with a header block that continues after its first frame."""
        self._stream += 2
        self.send(frame(HEADERS, 0, self._stream, block))

    @property
    def next_stream(self) -> int:
        """The id of the next call's stream."""
        return self._stream + 2

    def wait_for(
        self, kind: int, stream: int | None = None, *, flags: int = 0, payload: bytes | None = None
    ) -> Frame:
        """Returns the first received frame that matches, waiting for it if necessary.

        Raises:
            TimeoutError: None arrives within 30 s, or before the server hangs up.
        """

        def found() -> Frame | None:
            for one in self.frames:
                if (
                    (one.kind, one.flags & flags) == (kind, flags)
                    and stream in (None, one.stream)
                    and payload in (None, one.payload)
                ):
                    return one
            return None

        end = time.monotonic() + 30
        with self._arrived:
            while (one := found()) is None:
                if self.ended.is_set() or time.monotonic() > end:
                    raise TimeoutError(f"no frame of kind {kind} came")
                self._arrived.wait(1)
        return one

    def _read(self) -> None:
        # OSError: the server may reset the connection.
        with suppress(OSError), self._socket.makefile("rb") as file:
            while len(head := file.read(9)) == 9:
                size = int.from_bytes(head[:3], "big")
                stream = int.from_bytes(head[5:], "big")
                came = Frame(head[3], head[4], stream, file.read(size))
                if came.kind == SETTINGS and not came.flags & ACK:
                    self._socket.sendall(frame(SETTINGS, ACK, 0))
                with self._arrived:
                    if came.kind != PING or came.payload != bytes(8):  # answers to a flood
                        self.frames.append(came)
                    self._arrived.notify_all()
        with self._arrived:
            self.ended.set()
            self._arrived.notify_all()


def _length(value: bytes) -> bytes:
    """Returns a string's length in HPACK's coding: a seven-bit prefix, then seven bits a byte."""
    size = len(value)
    if size < 127:
        return bytes([size])
    coded, size = bytearray([127]), size - 127
    while size >= 128:
        coded.append(size % 128 + 128)
        size //= 128
    return bytes([*coded, size])
