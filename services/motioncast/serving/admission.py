"""The admission layer: limits running and queued calls, and admits none while draining."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from motioncast.serving.call import Call, Proceed
from motioncast.serving.deadline import Deadline
from motioncast.serving.metrics import Metrics
from motioncast.serving.places import Places
from motioncast.wire.errors import DeadlineError, DomainError, ExhaustedError, UnavailableError

RETRY_AFTER_SECONDS = 1.0
MAX_WATCHES = 1024  # health and reflection together, a quarter of them per peer


class Admission:
    """Admits calls in order of arrival; the queue is bounded, and so is the wait in it.

    Args:
        max_concurrent_calls: Limit of running calls.
        max_queued_calls: Limit of waiting calls.
        is_unlimited: Returns whether a service's method is always admitted.
        metrics: Where calls in flight, queued and rejected are counted.
        watches: Limit of the streams that are always admitted: they cost little, but not nothing.
    """

    def __init__(
        self,
        max_concurrent_calls: int,
        max_queued_calls: int,
        is_unlimited: Callable[[str, str], bool],
        metrics: Metrics,
        watches: Places | None = None,
    ) -> None:
        self._watches = watches or Places("watches", MAX_WATCHES)
        self._max_running = max_concurrent_calls
        self._max_waiting = max_queued_calls
        metrics.limit.set(max_concurrent_calls)
        self._is_unlimited = is_unlimited
        self._metrics = metrics
        self._running = 0
        self._waiting: deque[asyncio.Future[bool]] = deque()  # True: admitted
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def admit(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed when it is its turn.

        Raises:
            ExhaustedError: The queue is full, or there are too many watches.
            DeadlineError: The caller's deadline passed in the queue.
            UnavailableError: Draining has begun.
        """
        if self._is_unlimited(call.service, call.method):
            if call.kind == "unary":
                await proceed(call)
                return
            with self._watches.one_for(call.peer):
                await proceed(call)
            return
        await self._enter(Deadline.of(call.context))
        try:
            await proceed(call)
        finally:
            self._leave()

    async def drain(self, grace_seconds: float) -> None:
        """Refuses every call from now on, waiting ones included, and lets the running ones end.

        Returns when the last one has ended or the grace period is over.
        """
        self._draining = True
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(False)
        try:
            async with asyncio.timeout(grace_seconds):
                await self._idle.wait()
        except TimeoutError:
            return

    async def _enter(self, deadline: Deadline) -> None:
        if self._draining:
            raise self._shutting_down()
        if self._running < self._max_running:
            self._running += 1
            self._count()
            return
        if len(self._waiting) >= self._max_waiting:
            raise self._rejected(
                "queue_full",
                ExhaustedError(
                    f"server: {self._running} calls are running and {len(self._waiting)} are "
                    "waiting, which is the limit",
                    retry_after_seconds=RETRY_AFTER_SECONDS,
                ),
            )
        await self._wait(deadline)

    async def _wait(self, deadline: Deadline) -> None:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._count()
        admitted = False
        try:
            async with asyncio.timeout(deadline.remaining_seconds()):
                admitted = await turn
        except TimeoutError:
            raise self._rejected(
                "deadline",
                DeadlineError("server: the deadline passed while the call waited for its turn"),
            ) from None
        finally:
            if not admitted:
                self._give_up(turn)
        if not admitted:
            raise self._shutting_down()

    def _give_up(self, turn: asyncio.Future[bool]) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
            self._count()
        elif not turn.cancelled():
            self._leave()  # its turn came at that very moment

    def _leave(self) -> None:
        self._running -= 1
        while self._waiting and not self._draining and self._running < self._max_running:
            turn = self._waiting.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(True)
        self._count()

    def _count(self) -> None:
        self._metrics.in_flight.set(self._running)
        self._metrics.queued.set(len(self._waiting))
        if self._running:
            self._idle.clear()
        else:
            self._idle.set()

    def _shutting_down(self) -> DomainError:
        return self._rejected(
            "draining",
            UnavailableError(
                "server: shutting down; another replica may answer",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ),
        )

    def _rejected(self, reason: str, error: DomainError) -> DomainError:
        self._metrics.rejected.labels(reason).inc()
        return error
