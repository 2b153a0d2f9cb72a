"""The addresses of a service, one channel to each, and which one is in use.

Servers of one service are interchangeable: a session that loses its server resumes at the next.
Behind one address there may also be many (a proxy, a name in a cluster).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc

from motioncast.client.channel import in_vain, refusal
from motioncast.client.errors import ConnectError
from motioncast.v1.motion_transfer_pb2_grpc import MotionTransferServiceStub

Target: TypeAlias = str | Sequence[str]

LEAST_SECONDS: Final = 0.5  # granted to each of several servers to respond while connecting
_MOST: Final = 16
_LISTS: Final = ("ipv4:", "ipv6:")  # gRPC's own lists, which also contain commas


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One address, and its channel."""

    target: str
    channel: grpc.Channel
    stub: MotionTransferServiceStub


class Ways:
    """The addresses of one service, of which one is in use.

    Args:
        targets: The addresses.
        opened: Opens a channel to an address.

    Attributes:
        answered: Whether a server has responded to its first request.
    """

    def __init__(self, targets: Sequence[str], opened: Callable[[str], grpc.Channel]) -> None:
        self._ways: list[Way] = []
        try:
            for target in targets:
                channel = opened(target)
                self._ways.append(Way(target, channel, MotionTransferServiceStub(channel)))
        except BaseException:
            self.close()
            raise
        self._used = 0
        self.answered = False
        self._lock = threading.Lock()

    @property
    def all(self) -> tuple[Way, ...]:
        """All addresses, in the order in which they were given."""
        return tuple(self._ways)

    @property
    def used(self) -> Way:
        """The address that calls use."""
        return self._ways[self._used]

    def use(self, way: Way) -> None:
        """Makes calls use this address."""
        self._used = self._ways.index(way)

    @contextmanager
    def asking(self, way: Way, timeout: float) -> Iterator[None]:
        """Uses an address if its server responds to the block's call; `answered` is then true.

        Raises:
            UnauthenticatedError: The server does not accept the token.
        """
        try:
            yield
        except grpc.RpcError as failure:
            if in_vain(failure):
                return
            if refused := refusal(failure, way.target, timeout):
                raise refused from None
        self.use(way)
        self.answered = True

    def after(self, way: Way) -> Way:
        """Returns the address in use, after moving on from `way` if that is the one that failed."""
        with self._lock:
            if self.used is way:
                self._used = (self._used + 1) % len(self._ways)
            return self.used

    def close(self) -> None:
        """Ends the connections."""
        for way in self._ways:
            way.channel.close()


def targets_of(target: Target) -> list[str]:
    """Returns the addresses of a service: one, several with commas between them, or a list.

    Raises:
        ConnectError: There are none, or too many.
    """
    if not isinstance(target, str):
        listed = [one for given in target for one in targets_of(given)]
    elif target.startswith(_LISTS):
        listed = [target]
    else:
        listed = [one.strip() for one in target.split(",")] if "," in target else [target]
    if not 1 <= len(listed) <= _MOST:
        raise ConnectError(
            f"{len(listed)} addresses were given, expected 1 to {_MOST}", reason="name"
        )
    return listed


def answer_seconds(timeout: float, ways: Sequence[Way]) -> float:
    """Returns how long each of several servers has to respond while connecting."""
    return timeout if len(ways) == 1 else max(timeout / len(ways), LEAST_SECONDS)
