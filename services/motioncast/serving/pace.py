"""The layer that keeps one peer's calls from taking all peers' time.

Even a call that is cancelled at once takes half a millisecond of the event loop, which all calls
share. So the rate at which a peer may start calls is limited; calls above it wait for their turn
without delaying other peers:

    due(n) = max(due(n - 1), now - 1/10 s) + 1 / rate      (GCRA, bursts of 1/10 s)

A call waits to the end even if its caller leaves meanwhile. Until then it counts towards its
connection's limit of concurrent calls, so that cancelling calls does not make room for others.
"""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import ExitStack
from typing import Final

from motioncast.serving.call import Call, Proceed
from motioncast.serving.places import Places, peer_name

_BURST_SECONDS: Final = 0.1  # a burst delays other peers by a twentieth of a second at most
_TELL_SECONDS: Final = 60.0
_TELL_DELAY_SECONDS: Final = 0.25  # less is the burst with which several streams begin
_KEPT: Final = 1024  # peers, before those without recent calls are forgotten

_log: Final = logging.getLogger(__name__)


class Pace:
    """Limits the rate at which each peer starts calls, and the number of concurrent calls.

    Args:
        calls_per_second: Limit per peer; infinity disables it.
        most: Limit of concurrent calls in total, including those that we have ended but gRPC has
            not (their callers do not read the response). One peer may have a quarter of them.
    """

    def __init__(self, calls_per_second: float, most: int) -> None:
        self._interval = 1 / calls_per_second
        self._places = Places("calls", most)
        self._due: dict[str, float] = {}  # time of the next call's turn, by peer
        self._draining = asyncio.Event()
        self._told = -math.inf

    async def keep(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed when it is its turn.

        Raises:
            ExhaustedError: There are too many concurrent calls, of its peer or in total.
        """
        place, task = ExitStack(), asyncio.current_task()
        place.enter_context(self._places.one_for(call.peer))
        assert task is not None
        task.add_done_callback(lambda _: place.close())
        if self._interval:
            await self._turn(peer_name(call.peer))
        await proceed(call)

    def drain(self) -> None:
        """Ends every wait."""
        self._draining.set()

    async def _turn(self, peer: str) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        full = now - _BURST_SECONDS
        due = max(self._due.get(peer, full), full) + self._interval
        if len(self._due) >= _KEPT:
            self._due = {name: at for name, at in self._due.items() if at > full}
        self._due[peer] = due
        if due <= now:
            return
        if due - now > _TELL_DELAY_SECONDS and now - self._told > _TELL_SECONDS:
            self._told = now
            _log.warning("%s starts more than %g calls per second: delaying them", peer, self._rate)
        left: asyncio.CancelledError | None = None
        while (seconds := due - loop.time()) > 0 and not self._draining.is_set():
            try:
                await asyncio.wait_for(self._draining.wait(), seconds)
            except TimeoutError:
                break
            except asyncio.CancelledError as error:
                left = error
        if left is not None:
            raise left

    @property
    def _rate(self) -> float:
        return 1 / self._interval
