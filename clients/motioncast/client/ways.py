"""The ways to a service: one channel to each address that it was given, and which is in use.

Servers of one service are as good as one another: a session that its server leaves goes on at the
next. Behind one address there may be many too (a proxy, a name in a cluster).
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

LEAST_SECONDS: Final = 0.5  # that each of several servers has to answer while connecting
_MOST: Final = 16
_LISTS: Final = ("ipv4:", "ipv6:")  # gRPC's own, which have commas too


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One address, and what reaches it."""

    target: str
    channel: grpc.Channel
    stub: MotionTransferServiceStub


class Ways:
    """The addresses of one service, the one in use first asked.

    Args:
        targets: The addresses.
        opened: Opens a channel to one.

    Attributes:
        answered: Whether one has answered what it was asked first.
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
        """All of them, in the order they were given in."""
        return tuple(self._ways)

    @property
    def used(self) -> Way:
        """The one that calls take."""
        return self._ways[self._used]

    def use(self, way: Way) -> None:
        """Lets calls take one of them."""
        self._used = self._ways.index(way)

    @contextmanager
    def asking(self, way: Way, timeout: float) -> Iterator[None]:
        """Takes a way whose server answers the question of the block; `answered` is then true.

        Raises:
            UnauthenticatedError: Its answer is that the token does not count.
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
        """Returns the one in use, which is the next one where it was `way` that failed."""
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
        ConnectError: There is none, or there are too many.
    """
    if not isinstance(target, str):
        listed = [one for given in target for one in targets_of(given)]
    elif target.startswith(_LISTS):
        listed = [target]
    else:
        listed = [one.strip() for one in target.split(",")] if "," in target else [target]
    if not 1 <= len(listed) <= _MOST:
        raise ConnectError(
            f"{len(listed)} addresses were given: a service has 1 to {_MOST}", reason="name"
        )
    return listed


def answer_seconds(timeout: float, ways: Sequence[Way]) -> float:
    """Returns how long each of several servers has to answer while connecting."""
    return timeout if len(ways) == 1 else max(timeout / len(ways), LEAST_SECONDS)
