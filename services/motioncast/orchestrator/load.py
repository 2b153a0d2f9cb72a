"""Estimates from measurements whether one more session would make the others late (docs/load.md).

    cost of a session = its frame rate * seconds per frame / slots       1: the full capacity
    load              = the sum of the costs of all sessions
    p95 with it       = p95 now * (1 - load) / (1 - load - cost)         how late groups would be

Seconds per frame are measured in slots (`fair`) while all slots are taken: the time of a frame
that runs alongside others, which is what determines throughput. The last line is how the time
in an M/M/1 queue, and in one with processor sharing, grows with the load.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from dataclasses import dataclass
from typing import Final

from motioncast.orchestrator.configuration import MAX_FRAME_RATE
from motioncast.orchestrator.fair import Ran, Slots
from motioncast.orchestrator.lateness import Lateness, Schedule
from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.orchestrator.pipeline import Cast
from motioncast.orchestrator.settings import OrchestratorSettings
from motioncast.wire.errors import ExhaustedError

MOST_LOAD: Final = 0.85  # beyond it a little more load means much more waiting
RETRY_AFTER_SECONDS: Final = 2.0
_SLOTS: Final = 32  # for services elsewhere, whose concurrency is not known here
_PEERS_PART: Final = 2.0  # a peer's sessions leave others at least half of what they use
_GROUPS: Final = 63  # the median is over this many
_KEPT_GROUPS: Final = 3  # after `forget`
_SURE_SECONDS: Final = 15.0  # how long a measurement is trusted


class Costs:
    """Slot seconds that a frame takes, by model: the sum over the stages of a group.

    Each stage counts with the median of its last groups, so one that hung does not distort it.
    """

    def __init__(self) -> None:
        self._stages: dict[str, dict[str, deque[float]]] = defaultdict(
            lambda: defaultdict(lambda: deque(maxlen=_GROUPS))
        )

    def note(self, model: str, stage: str, frames: int, seconds: float) -> None:
        """Records a group that ran while every slot was taken."""
        self._stages[model][stage].append(seconds / frames)

    def forget(self, model: str) -> None:
        """Drops most measurements, so that new ones count for more."""
        for stage in self._stages[model].values():
            while len(stage) > _KEPT_GROUPS:
                stage.popleft()

    def frame_seconds(self, model: str) -> float | None:
        """Returns the seconds that a frame takes; None before anything was measured."""
        stages = self._stages.get(model)
        return sum(map(statistics.median, stages.values())) if stages else None


class Work:
    """One session's share of the server's work.

    Attributes:
        peer: The peer that owns the session.
        model: Name of its configuration.
        frame_rate: Frame rate of its video; 0 where it needs none.
    """

    def __init__(
        self,
        load: Load,
        peer: str,
        name: str,
        model: str,
        frame_rate: float,
        is_silent: Callable[[], bool],
    ) -> None:
        self.peer = peer
        self.model = model
        self.frame_rate = frame_rate
        self._is_silent = is_silent
        self._load = load
        self._name = name
        self._schedule = Schedule(frame_rate) if frame_rate else None

    def claims(self) -> bool:
        """Returns whether the session takes a share of the capacity now."""
        return self.frame_rate > 0 and not self._is_silent()

    def turn(self, stage: str, frames: int) -> AbstractAsyncContextManager[None]:
        """Waits until a stage of a group may run; leaving the block ends its turn."""

        def ran(took: Ran) -> None:
            if took.crowded:
                self._load.note_cost(self.model, stage, frames, took.seconds)

        return self._load.slots.turn(self.peer, self._name, ran)

    async def timed(self, casts: AsyncGenerator[Cast, None]) -> AsyncGenerator[Cast, None]:
        """Yields completed stretches, and records how late they are."""
        async with aclosing(casts):
            async for cast in casts:
                if self._schedule is not None:
                    made = self._load.clock()
                    came = made - cast.timings.total_ms / 1000
                    self._load.note_late(self._schedule.late(len(cast.origins), came, made))
                yield cast


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a session is refused: a reason code, and a sentence."""

    reason: str
    problem: str


class Load:
    """The load of all sessions together.

    Args:
        settings: The latency target and the slots; without a target every session is admitted.
        metrics: Where lateness is counted.
        clock: Returns the time in seconds.

    Attributes:
        default_model: Name of the configuration of sessions that name none, once it is known.
        unsure: Set when a session was refused because of an old measurement.
        unsure_of: The name of the model that was measured.
    """

    def __init__(
        self,
        settings: OrchestratorSettings,
        metrics: OrchestratorMetrics,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.clock = clock
        self.slots = Slots(settings.group_slots or _SLOTS, clock)
        self.costs = Costs()
        self.default_model = ""
        self.unsure = asyncio.Event()
        self.unsure_of = ""
        self._target = settings.latency_target_seconds
        # A peer that may hold every session is a proxy and stands for many clients.
        self._shares = (settings.max_sessions_per_peer or 1) < settings.max_sessions
        self._metrics = metrics
        self._lateness = Lateness(clock)
        self._sessions: set[Work] = set()
        self._measured: dict[str, float] = {}  # when, by model
        self._names = map(str, itertools.count())
        metrics.load.set_function(lambda: self.load)
        metrics.groups_queued.set_function(lambda: self.slots.waiting)
        metrics.latency_target.set(self._target or 0.0)

    @property
    def load(self) -> float:
        """The share of capacity that sessions take; 0 before anything was measured."""
        return sum(self._cost(one.model, one.frame_rate) for one in self._sessions if one.claims())

    @contextmanager
    def session(
        self,
        peer: str,
        model: str,
        frame_rate: float,
        *,
        resumed: bool = False,
        is_silent: Callable[[], bool] = lambda: False,
    ) -> Iterator[Work]:
        """Admits a session from entering the block until leaving it.

        Args:
            peer: The owner, as `peer_name` names it.
            model: Name of the configuration; "" for the default.
            frame_rate: Frame rate of the video, frames per second.
            resumed: Whether another server admitted it already, and it resumes here.
            is_silent: Returns whether its client is silent; others may use its share meanwhile.

        Raises:
            ExhaustedError: It would make the others late.
        """
        rate = frame_rate if 0 < frame_rate <= MAX_FRAME_RATE else 0.0  # refused by name, later
        model = model or self.default_model
        refusal = None if resumed else self.refusal(peer, model, rate)
        if refusal is not None:
            self._metrics.sessions_refused.labels(refusal.reason).inc()
            self._doubt(model)
            raise ExhaustedError(
                f"load: {refusal.problem}", retry_after_seconds=RETRY_AFTER_SECONDS
            )
        name = next(self._names)
        work = Work(self, peer, name, model, rate, is_silent)
        self.slots.enter(peer, name)
        self._sessions.add(work)
        try:
            yield work
        finally:
            self._sessions.discard(work)
            self.slots.leave(peer, name)

    def note_cost(self, model: str, stage: str, frames: int, seconds: float) -> None:
        """Records how long a stage of a group took while every slot was taken."""
        self.costs.note(model, stage, frames, seconds)
        self._measured[model] = self.clock()

    def note_late(self, seconds: float) -> None:
        """Records a group completed just now, and how late it is."""
        self._lateness.add(seconds)
        self._metrics.late_seconds.observe(seconds)

    def refusal(self, peer: str, model: str, frame_rate: float) -> Refusal | None:
        """Returns why a session is refused now; None when it is admitted.

        The only session is always admitted: it can delay nobody but itself.
        """
        claims = [one for one in self._sessions if one.claims()]
        if self._target is None or not claims:
            return None
        cost, load = self._cost(model, frame_rate), self.load
        own = sum(self._cost(one.model, one.frame_rate) for one in claims if one.peer == peer)
        wanted = f"one more at {frame_rate:g} frames/s"
        if load + cost > MOST_LOAD:
            return Refusal(
                "capacity",
                f"the sessions use {load:.0%} of the capacity, and {wanted} would use {cost:.0%};"
                f" the limit is {MOST_LOAD:.0%}",
            )
        if self._shares and own and own + cost > _PEERS_PART * (MOST_LOAD - load - cost):
            return Refusal(
                "share",
                f"your sessions use {own:.0%} of the capacity, and {wanted} would leave too little"
                " for others",
            )
        late = self._lateness.p95()
        if late is None or (late := late * (1 - load) / (1 - load - cost)) <= self._target:
            return None
        return Refusal(
            "latency",
            f"with {wanted}, 5% of the groups would be at least {1000 * late:.0f} ms late; the"
            f" target is {1000 * self._target:.0f} ms",
        )

    def _doubt(self, model: str) -> None:
        """Requests a new measurement of a cost not measured for a while: it may be too high."""
        if self.clock() - self._measured.get(model, -math.inf) > _SURE_SECONDS:
            self._measured[model] = self.clock()
            self.unsure_of = model
            self.unsure.set()

    def _cost(self, model: str, frame_rate: float) -> float:
        seconds = self.costs.frame_seconds(model)
        return 0.0 if seconds is None else frame_rate * seconds / self.slots.slots
