"""What a service registers with the kernel."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import grpc.aio

MAX_QUESTION_BYTES: Final = 1024  # for requests with few or no fields


async def always_ready() -> bool:
    return True


def no_matter() -> None:
    """Does nothing when draining begins."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One gRPC service to serve.

    A method with one response is a coroutine function, one with a stream of responses is an
    asynchronous generator function; both raise `motioncast.wire.errors` for errors of the caller.

    Attributes:
        name: Full name of the service, `motioncast.v1.KeypointService`. Its generated module must
            have been imported, because reflection reads it.
        add: Adds the servicer to a server, for example
            `partial(add_KeypointServiceServicer_to_server, servicer)`.
        ready: Returns whether the service could serve a call now; used by health and readiness.
        unlimited_methods: Short names of methods that cost nothing and are always admitted.
        on_drain: Called when draining begins, for services that report readiness themselves.
        max_request_bytes: Largest request of a method, by its short name, where that is less than
            the server's largest message.
        calls_per_second: Rate at which one peer may start calls of all services on the server;
            infinite for a service that only servers call.
        log_level: Level of the access log's line for each call.
        udp_port: UDP port that it also listens on; None for a service that uses gRPC only.
    """

    name: str
    add: Callable[[grpc.aio.Server], None]
    ready: Callable[[], Awaitable[bool]] = always_ready
    unlimited_methods: frozenset[str] = frozenset()
    on_drain: Callable[[], None] = no_matter
    max_request_bytes: Mapping[str, int] = field(default_factory=dict)
    calls_per_second: float = math.inf
    log_level: int = logging.INFO
    udp_port: int | None = None
