"""Attacks that a gRPC client can make (attacks.py runs them).

Each uses its own channel and returns the number of bytes (or calls) sent.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import grpc
import numpy as np
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from support.raw_attacks import STREAM

from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest
from motioncast.v1.motion_transfer_pb2_grpc import MotionTransferServiceStub

MIB: Final = 2**20
EMPTY: Final = b"\x0a\x00" * (3 * MIB)
LARGE: Final = b"\x0a\x00" * (32 * MIB)


def raw_stream(channel: grpc.Channel, *messages: bytes, **options: Any) -> int:
    """Sends raw messages in one session; returns their size in bytes."""
    stream: Any = channel.stream_stream(STREAM)
    with suppress(grpc.RpcError):
        list(stream(iter(messages), timeout=30, **options))
    return sum(len(message) for message in messages)


def configuration(**fields: Any) -> bytes:
    return StreamRequest(config=StreamConfig(**fields)).SerializeToString()


def empty_messages(channel: grpc.Channel) -> int:
    """Sends a message within the size limit that contains millions of empty submessages."""
    return raw_stream(channel, configuration(), EMPTY)


def large_messages(channel: grpc.Channel) -> int:
    """Sends a message of 64 MiB where 8 MiB are allowed."""
    return raw_stream(channel, configuration(), LARGE)


def endless_videos(channel: grpc.Channel) -> int:
    """Opens sessions that declare 2^64 - 1 frames and then end."""
    return sum(raw_stream(channel, configuration(frame_count=2**64 - 1)) for _ in range(4))


def silent_streams(channel: grpc.Channel) -> int:
    """Opens 64 sessions that send nothing."""
    stub = MotionTransferServiceStub(channel)
    calls = [stub.Stream(_nothing(), timeout=20) for _ in range(64)]
    time.sleep(1)
    for call in calls:
        call.cancel()
    return 64


def watches(channel: grpc.Channel) -> int:
    """Opens 2,000 watches of the server's health."""
    stub: Any = HealthStub(channel)  # untyped
    calls = [stub.Watch(HealthCheckRequest(), timeout=20) for _ in range(2000)]
    time.sleep(2)
    for call in calls:
        call.cancel()
    return 2000


def connections(channel: grpc.Channel, target: str = "") -> int:
    """Opens 2,000 connections that send nothing."""
    host, port = target.rsplit(":", 1)
    held = []
    for _ in range(2000):
        with suppress(OSError):
            held.append(socket.create_connection((host, int(port)), timeout=1))
    time.sleep(1)
    for one in held:
        one.close()
    return 2000


def noise(channel: grpc.Channel) -> int:
    """Sends messages of random bytes, one per session."""
    random = np.random.default_rng(0)
    return sum(raw_stream(channel, random.bytes(2000)) for _ in range(100))


def resets(channel: grpc.Channel) -> int:
    """Makes calls and cancels them at once."""
    stub = MotionTransferServiceStub(channel)
    for _ in range(2000):
        stub.Stream(iter([StreamRequest()])).cancel()
    return 2000


def _nothing() -> Iterator[StreamRequest]:
    time.sleep(20)
    yield from ()


ATTACKS: Final[dict[str, Callable[..., int]]] = {
    one.__name__: one
    for one in (
        empty_messages,
        large_messages,
        endless_videos,
        silent_streams,
        watches,
        connections,
        noise,
        resets,
    )
}
