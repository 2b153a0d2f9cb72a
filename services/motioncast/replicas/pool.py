"""The replicas of one service: which one gets a call, which is asked as well, which are excluded.

    in turn     calls go round robin, past a replica with two more unanswered calls than another
    failed      retried on another one at once; when all failed, after a pause, for two seconds
    slow        another one is asked as well, and the first response counts
    left out    a replica that failed or was slow is excluded until it is healthy again, or has
                answered a call of the kind for which it seemed slow

The caller defines what a replica is, which errors are its own, and how recovery is detected:
services are channels with a health check, model servers are connections on which the same run is
repeated.

Calls are pure functions of their requests, so repeating one is safe. gRPC has retries and outlier
detection, but in Python it cannot ask a second replica while the first is silent.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic

from motioncast.replicas.judging import Answer, Call, Judgement, Until, Way
from motioncast.replicas.metrics import ReplicaMetrics
from motioncast.replicas.patience import Patience, Running
from motioncast.replicas.pulse import Pulse

_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = (0.1, 1.0)  # between health checks of an excluded one
_MOST_ASKED: Final = 64  # calls that may be sent to two replicas at once ...
_ASKED_EACH: Final = 0.1  # ... and on average one in ten, or overload would double the work
_BEHIND: Final = 2  # unanswered calls more than another replica has
_NO_KIND: Final = object()  # equals no kind of calls, not even None
_SAID: Final = {"failed": "failed", "slow": "was slow"}
_log: Final = logging.getLogger(__name__)


@dataclass(eq=False)
class Replica(Generic[Way]):
    """One replica: its address and the connection to it."""

    address: str
    way: Way
    out: bool = False  # excluded: it failed or was slow, and has not recovered
    slow_kind: Hashable = _NO_KIND  # of the call that it was slow in, if that excluded it


class Replicas(Generic[Way]):
    """Calls one service through whichever replica responds.

    Args:
        name: Name of the service, for metrics.
        addresses: gRPC targets, one per replica.
        open_way: Opens a connection to one.
        judgement: How to judge their responses.
        slow_seconds: The least time after which another replica is asked as well.
        metrics: Where repeated calls and replicas are counted.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        name: str,
        addresses: Sequence[str],
        open_way: Callable[[str], Way],
        judgement: Judgement[Way],
        slow_seconds: float,
        metrics: ReplicaMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._clock = clock
        self._open_way = open_way
        self._judgement = judgement
        self._patience: Patience[Replica[Way]] = Patience(slow_seconds, clock)
        self._pulse = Pulse(self._patience, lambda one, kind: judgement.alive(one.way, kind))
        self._metrics = metrics
        self._replicas = [Replica(one, open_way(one)) for one in addresses]
        self._turn = 0
        self._looking: dict[Replica[Way], asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._may_ask = float(_MOST_ASKED)
        for reason in ("failed", "slow"):  # rates need a zero to start from
            metrics.again.labels(name, reason)
        self._count()

    @property
    def addresses(self) -> list[str]:
        """Addresses of the replicas."""
        return [one.address for one in self._replicas]

    def use(self, addresses: Iterable[str]) -> None:
        """Switches to other replicas; known ones stay connected, and running calls continue."""
        wanted, known = list(addresses), {one.address: one for one in self._replicas}
        gone = [one for one in self._replicas if one.address not in wanted]
        self._replicas = [known.get(one) or Replica(one, self._open_way(one)) for one in wanted]
        for one in gone:
            self._let_go(one, 30.0)
        self._count()

    async def call(self, begin: Call[Way, Answer], until: Until, kind: Hashable = None) -> Answer:
        """Returns the response of a replica.

        Args:
            begin: Starts the call on a replica, with a timeout in seconds.
            until: When the response is of no use any more.
            kind: Calls of one kind take about equally long: one that later ones overtake is slow.

        Raises:
            Exception: The last replica's error when none succeeded; any error that is not the
                replica's own is raised at once.
        """
        running: dict[asyncio.Task[Answer], Running[Replica[Way]]] = {}
        tried: list[Replica[Way]] = []
        gives_up, waits = self._clock() + self._judgement.down_seconds, pauses()

        def ask(replica: Replica[Way]) -> None:
            tried.append(replica)
            task = asyncio.create_task(_answer(begin(replica.way, until.remaining_seconds())))
            task.add_done_callback(_look_at)
            running[task] = self._patience.begin(replica, kind)
            if len(self._replicas) > 1:
                self._pulse.watch(replica, kind)

        self._turn += 1
        try:
            ask(self._next([]))
            while True:
                other = self._other(tried)
                if other is None:
                    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                else:
                    done = await self._patience.wait(running, [*running.values()][-1])
                if not done and other is not None:  # slow
                    for one in running.values():
                        self._suspect(one.replica, begin, "slow", kind)
                        self._patience.hurry(one.replica, kind)
                    if self._may_ask >= 1:
                        self._may_ask -= 1
                        self._metrics.again.labels(self._name, "slow").inc()
                        ask(other)
                    else:
                        await asyncio.wait(
                            running, timeout=_LOOK_SECONDS[0], return_when=asyncio.FIRST_COMPLETED
                        )
                    continue
                failure = None
                for task in done:
                    asked = running.pop(task)
                    try:
                        answer = task.result()
                    except Exception as error:
                        self._patience.end(asked)
                        if not self._judgement.failed(error):
                            raise
                        failure = error
                        self._suspect(asked.replica, begin, "failed")
                    else:
                        self._patience.end(asked, answered=True)
                        if asked.replica.slow_kind == kind:  # it works after all
                            self._readmit(asked.replica)
                        self._may_ask = min(_MOST_ASKED, self._may_ask + _ASKED_EACH)
                        return answer
                if running or failure is None:
                    continue
                if (other := self._other(tried)) is None:
                    pause, left = next(waits), until.remaining_seconds()
                    over = self._clock() + pause >= gives_up
                    if over or (left is not None and pause >= left):
                        raise failure
                    await asyncio.sleep(pause)
                    tried.clear()
                    other = self._next([])
                self._metrics.again.labels(self._name, "failed").inc()
                ask(other)
        finally:
            for task, asked in running.items():
                task.cancel()
                self._patience.end(asked)

    async def ask_all(self, begin: Call[Way, Answer], seconds: float) -> list[Answer]:
        """Returns the responses of all replicas that are not excluded, or of all when all are.

        Raises:
            Exception: The error of one, when all have failed; any error that is not a replica's own
                is raised at once.
        """
        asked = [one for one in self._replicas if not one.out] or self._replicas
        told = await asyncio.gather(
            *(_answer(begin(one.way, seconds)) for one in asked), return_exceptions=True
        )
        answers: list[Answer] = []
        failures: list[Exception] = []
        for one in told:
            if not isinstance(one, BaseException):
                answers.append(one)
            elif isinstance(one, Exception) and self._judgement.failed(one):
                failures.append(one)
            else:
                raise one
        if not answers:
            raise failures[0]
        return answers

    async def close(self, grace: float | None = None) -> None:
        """Ends running calls after the grace period, and disconnects."""
        self._pulse.close()
        for task in (*self._looking.values(), *self._closing):
            task.cancel()
        await asyncio.gather(*(one.way.close(grace) for one in self._replicas))

    def _next(self, tried: Sequence[Replica[Way]]) -> Replica[Way]:
        """Returns the next replica, preferring those not tried, not excluded, and not behind.

        Always taking the least busy one would feed the faster of two on the same cores, and starve
        the other.
        """
        turn = self._turn % len(self._replicas)
        in_turn = self._replicas[turn:] + self._replicas[:turn]
        loads = {one: self._patience.load(one) for one in in_turn}
        most = min(loads.values()) + _BEHIND
        return min(in_turn, key=lambda one: (one in tried, one.out, loads[one] >= most))

    def _other(self, tried: Sequence[Replica[Way]]) -> Replica[Way] | None:
        """Returns a replica that was not tried, or None."""
        if all(one in tried for one in self._replicas):
            return None
        return self._next(tried)

    def _suspect(
        self,
        replica: Replica[Way],
        begin: Call[Way, Any],
        reason: str,
        kind: Hashable = _NO_KIND,
    ) -> None:
        """Excludes a replica until it has recovered; when all are excluded they are used anyway."""
        if replica.out or replica not in self._replicas:
            return
        replica.out, replica.slow_kind = True, kind
        self._tell("is excluded: it " + _SAID[reason], replica)
        self._looking[replica] = asyncio.create_task(self._look_after(replica, begin))
        self._count()

    def _readmit(self, replica: Replica[Way]) -> None:
        replica.out, replica.slow_kind = False, _NO_KIND
        looking = self._looking.pop(replica, None)
        if looking is not None and looking is not asyncio.current_task():
            looking.cancel()
        self._tell("has recovered", replica)
        self._count()

    def _tell(self, what: str, replica: Replica[Way]) -> None:
        """Logs at WARNING if there are others; the failure of the only one reaches its caller."""
        level = logging.WARNING if len(self._replicas) > 1 else logging.INFO
        _log.log(level, "%s at %s %s", self._name, replica.address, what)

    async def _look_after(self, replica: Replica[Way], begin: Call[Way, Any]) -> None:
        pause, longest = _LOOK_SECONDS
        while replica in self._replicas:
            if await self._judgement.well(replica.way, begin, self._patience.seconds()):
                self._readmit(replica)
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)
        self._looking.pop(replica, None)

    def _let_go(self, replica: Replica[Way], grace: float) -> None:
        task = asyncio.create_task(replica.way.close(grace))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _count(self) -> None:
        out = sum(one.out for one in self._replicas)
        self._metrics.replicas.labels(self._name, "in").set(len(self._replicas) - out)
        self._metrics.replicas.labels(self._name, "out").set(out)


def pauses() -> Iterator[float]:
    """Yields seconds to wait before each retry: doubling, with jitter."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _look_at(task: asyncio.Future[Any]) -> None:
    # Retrieves the exception, so that asyncio does not log a call that nobody waits for.
    if not task.cancelled():
        task.exception()


async def _answer(call: Awaitable[Answer]) -> Answer:
    return await call
