"""The replicas of one service: whom a call goes to, who is asked too, and who is left out.

    in turn     a call goes to the next replica that is in
    failed      again at another one at once; where all have failed, after a pause, for two seconds
    slow        another one is asked too, and whichever answers first counts
    left out    a replica that failed or was slow, until it is found well

What a replica is, what its failures are and how it is found well is the caller's to say: services
are channels with a health, servers of models connections that are asked for the same run again.

Calls are pure functions of their requests: to make one twice is safe. gRPC has most of this (round
robin, retries, outlier detection), but its Python library cannot ask a second replica while the
first is silent, and a process that hangs never fails.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic

from prometheus_client import CollectorRegistry, Counter, Gauge

from motioncast.replicas.judging import Answer, Call, Judgement, Until, Way

_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = (0.1, 1.0)  # between two questions for the health of one that is out
_SLOW: Final = 1.5  # times the slowest call of late
_REMEMBERED: Final = 100  # calls
_MOST_ASKED: Final = 64  # calls that may be asked of two replicas at once ...
_ASKED_EACH: Final = 0.1  # ... and in the long run one in ten, or a crowd would double its work
_SAID: Final = {"failed": "failed", "slow": "was slow"}
_log: Final = logging.getLogger(__name__)


class ReplicaMetrics:
    """What is counted of calls to what has replicas; servers of models are the service "models"."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.again = Counter(
            "motioncast_backend_calls_again",
            "Calls of services behind the orchestrator, or of servers of models, that were made "
            "once more, because a replica failed or was slow.",
            ("service", "reason"),
            registry=registry,
        )
        self.replicas = Gauge(
            "motioncast_backend_replicas",
            "Replicas of services behind the orchestrator, or servers of models; out: failed or "
            "slow, and not well since.",
            ("service", "state"),
            registry=registry,
        )


@dataclass(eq=False)
class Replica(Generic[Way]):
    """One replica: its address and the way to it."""

    address: str
    way: Way
    out: bool = False  # it failed, or was slow, and has not been well since


@dataclass(frozen=True, slots=True)
class _Asked(Generic[Way]):
    replica: Replica[Way]
    at: float  # when, in seconds


class Replicas(Generic[Way]):
    """Calls one service, at whichever of its replicas answers.

    Args:
        name: Of the service, for metrics.
        addresses: gRPC's targets, one for each replica.
        open_way: Opens a connection to one.
        judgement: Of what they answer.
        slow_seconds: After which another replica is asked too, at the earliest.
        metrics: Where repeated calls and replicas are counted.
        clock: Tells the time in seconds.
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
        self._slow_seconds = slow_seconds
        self._metrics = metrics
        self._replicas = [Replica(one, open_way(one)) for one in addresses]
        self._turn = 0
        self._looking: dict[Replica[Way], asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._took: deque[float] = deque(maxlen=_REMEMBERED)
        self._may_ask = float(_MOST_ASKED)
        for reason in ("failed", "slow"):  # a rate needs a zero to start from
            metrics.again.labels(name, reason)
        self._count()

    @property
    def addresses(self) -> list[str]:
        """Of the replicas."""
        return [one.address for one in self._replicas]

    def use(self, addresses: Iterable[str]) -> None:
        """Takes other replicas; those that are known already stay connected, calls go on."""
        wanted, known = list(addresses), {one.address: one for one in self._replicas}
        gone = [one for one in self._replicas if one.address not in wanted]
        self._replicas = [known.get(one) or Replica(one, self._open_way(one)) for one in wanted]
        for one in gone:
            self._let_go(one, 30.0)
        self._count()

    async def call(self, begin: Call[Way, Answer], until: Until) -> Answer:
        """Returns what a replica answers.

        Args:
            begin: Begins the call at a replica, with a time limit in seconds.
            until: When the answer is of no use any more.

        Raises:
            Exception: That of the replica that answered last, where none has answered well; at
                once where it is no failure of the replica.
        """
        running: dict[asyncio.Task[Answer], _Asked[Way]] = {}
        tried: list[Replica[Way]] = []
        gives_up, waits = self._clock() + self._judgement.down_seconds, pauses()

        def ask(replica: Replica[Way]) -> None:
            tried.append(replica)
            task = asyncio.create_task(_answer(begin(replica.way, until.remaining_seconds())))
            task.add_done_callback(_look_at)
            running[task] = _Asked(replica, self._clock())

        self._turn += 1
        try:
            ask(self._next([]))
            while True:
                other = self._other(tried)
                patience = None if other is None else self._patience()
                done, _ = await asyncio.wait(
                    running, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                if not done and other is not None:  # slow
                    for one in running.values():
                        self._suspect(one.replica, begin, "slow")
                    if self._may_ask >= 1:
                        self._may_ask -= 1
                        self._metrics.again.labels(self._name, "slow").inc()
                        ask(other)
                    else:
                        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    continue
                failure = None
                for task in done:
                    asked = running.pop(task)
                    try:
                        answer = task.result()
                    except Exception as error:
                        if not self._judgement.failed(error):
                            raise
                        failure = error
                        self._suspect(asked.replica, begin, "failed")
                    else:
                        # Its own time: after one that hung, the next is not waited for longer.
                        self._took.append(self._clock() - asked.at)
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
            for task in running:
                task.cancel()

    async def ask_all(self, begin: Call[Way, Answer], seconds: float) -> list[Answer]:
        """Returns what the replicas answer that are in, or all where none is.

        Raises:
            Exception: That of one, where all have failed; at once one that is no replica's failure.
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
        """Ends what runs, after the grace, and disconnects."""
        for task in (*self._looking.values(), *self._closing):
            task.cancel()
        await asyncio.gather(*(one.way.close(grace) for one in self._replicas))

    def _patience(self) -> float:
        """Returns after how many seconds a call counts as slow."""
        return max(self._slow_seconds, _SLOW * max(self._took, default=0.0))

    def _next(self, tried: Sequence[Replica[Way]]) -> Replica[Way]:
        """Returns the replica whose turn it is: rather one that is in and was not tried."""
        turn = self._turn % len(self._replicas)
        in_turn = self._replicas[turn:] + self._replicas[:turn]
        return min(in_turn, key=lambda one: (one in tried, one.out))

    def _other(self, tried: Sequence[Replica[Way]]) -> Replica[Way] | None:
        """Returns a replica that was not tried; None where there is none."""
        if all(one in tried for one in self._replicas):
            return None
        return self._next(tried)

    def _suspect(self, replica: Replica[Way], begin: Call[Way, Any], reason: str) -> None:
        """Leaves a replica out until it is well; where all are out, they are asked all the same."""
        if replica.out or replica not in self._replicas:
            return
        replica.out = True
        self._tell("is left out: it " + _SAID[reason], replica)
        self._looking[replica] = asyncio.create_task(self._look_after(replica, begin))
        self._count()

    def _tell(self, what: str, replica: Replica[Way]) -> None:
        """Says it aloud where there are others; of the only one whoever calls it is told."""
        level = logging.WARNING if len(self._replicas) > 1 else logging.INFO
        _log.log(level, "%s at %s %s", self._name, replica.address, what)

    async def _look_after(self, replica: Replica[Way], begin: Call[Way, Any]) -> None:
        pause, longest = _LOOK_SECONDS
        while replica in self._replicas:
            if await self._judgement.well(replica.way, begin, self._patience()):
                self._tell("is back", replica)
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)
        replica.out = False
        self._looking.pop(replica, None)
        self._count()

    def _let_go(self, replica: Replica[Way], grace: float) -> None:
        task = asyncio.create_task(replica.way.close(grace))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _count(self) -> None:
        out = sum(one.out for one in self._replicas)
        self._metrics.replicas.labels(self._name, "in").set(len(self._replicas) - out)
        self._metrics.replicas.labels(self._name, "out").set(out)


def pauses() -> Iterator[float]:
    """Yields seconds to wait before each new attempt: twice as long each time, and not in step."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _look_at(task: asyncio.Future[Any]) -> None:
    # The failure of a call whose answer nobody waits for any more is not logged.
    if not task.cancelled():
        task.exception()


async def _answer(call: Awaitable[Answer]) -> Answer:
    return await call
