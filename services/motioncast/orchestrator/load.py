"""Whether one session more would make the others late, by what is measured (docs/load.md).

    cost of a session = its frame rate * seconds of a frame / slots      1: all that can be made
    load              = the costs of all sessions
    p95 with it       = p95 now * (1 - load) / (1 - load - cost)         how late groups would be

Seconds of a frame are those of slots (`fair`) while all slots are taken: what a frame takes beside
others, and so what can be made of them. The last line is how the time in an M/M/1 queue, and in one
that shares its server, grows with the load.
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

MOST_LOAD: Final = 0.85  # beyond it a little more load is much more waiting
RETRY_AFTER_SECONDS: Final = 2.0
_SLOTS: Final = 32  # for services elsewhere: how much they do at once is not known here
_PEERS_PART: Final = 2.0  # a peer's sessions leave at least half of what they take free for others
_GROUPS: Final = 63  # whose median counts
_KEPT_GROUPS: Final = 3  # when they are forgotten
_SURE_SECONDS: Final = 15.0  # that a measurement is believed for without another


class Costs:
    """Seconds of slots that a frame takes, by model: the sum over the stages of a group.

    Of each stage it is the median of the last groups: one that hung says nothing of the others.
    """

    def __init__(self) -> None:
        self._stages: dict[str, dict[str, deque[float]]] = defaultdict(
            lambda: defaultdict(lambda: deque(maxlen=_GROUPS))
        )

    def note(self, model: str, stage: str, frames: int, seconds: float) -> None:
        """Counts a group that was made while every slot was taken."""
        self._stages[model][stage].append(seconds / frames)

    def forget(self, model: str) -> None:
        """Lets what comes next count for more than all that was measured."""
        for stage in self._stages[model].values():
            while len(stage) > _KEPT_GROUPS:
                stage.popleft()

    def frame_seconds(self, model: str) -> float | None:
        """Returns what a frame takes; None before anything was measured."""
        stages = self._stages.get(model)
        return sum(map(statistics.median, stages.values())) if stages else None


class Work:
    """One session's part in what the server does.

    Attributes:
        peer: Whose it is.
        model: Name of its configuration.
        frame_rate: Of its video; 0 where it needs none.
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
        """Returns whether it takes a share of what can be made now."""
        return self.frame_rate > 0 and not self._is_silent()

    def turn(self, stage: str, frames: int) -> AbstractAsyncContextManager[None]:
        """Waits until a stage of a group may run; leaving the block ends that."""

        def ran(took: Ran) -> None:
            if took.crowded:
                self._load.note_cost(self.model, stage, frames, took.seconds)

        return self._load.slots.turn(self.peer, self._name, ran)

    async def timed(self, casts: AsyncGenerator[Cast, None]) -> AsyncGenerator[Cast, None]:
        """Yields what is made, and notes how late it is."""
        async with aclosing(casts):
            async for cast in casts:
                if self._schedule is not None:
                    made = self._load.clock()
                    came = made - cast.timings.total_ms / 1000
                    self._load.note_late(self._schedule.late(len(cast.origins), came, made))
                yield cast


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a session is not let in: the name of the reason, and a sentence."""

    reason: str
    problem: str


class Load:
    """What all sessions take together.

    Args:
        settings: Its target and slots; without a target everybody is let in.
        metrics: Where lateness is counted.
        clock: Tells the time in seconds.

    Attributes:
        default_model: Name of the configuration of sessions that name none, once it is known.
        unsure: Is set when somebody was refused for what was measured a while ago.
        unsure_of: The name of the model that it was measured of.
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
        # Where one peer may have every session it is a proxy, and stands for many.
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
        """The share that sessions take of what can be made; 0 where nothing is measured."""
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
        """Lets a session in from entering the block to leaving it.

        Args:
            peer: Whose it is, as `peer_name` names it.
            model: Name of the configuration; "" for the default.
            frame_rate: Of the video, frames per second.
            resumed: Whether it was let in elsewhere already, and goes on here.
            is_silent: Tells whether its client says nothing; meanwhile others get what it takes.

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
        """Notes what a stage of a group took while every slot was taken."""
        self.costs.note(model, stage, frames, seconds)
        self._measured[model] = self.clock()

    def note_late(self, seconds: float) -> None:
        """Notes a group that was made now, and by how much it is late."""
        self._lateness.add(seconds)
        self._metrics.late_seconds.observe(seconds)

    def refusal(self, peer: str, model: str, frame_rate: float) -> Refusal | None:
        """Returns why a session is not let in now; None when it is.

        The only session is: it makes nobody late but itself.
        """
        claims = [one for one in self._sessions if one.claims()]
        if self._target is None or not claims:
            return None
        cost, load = self._cost(model, frame_rate), self.load
        own = sum(self._cost(one.model, one.frame_rate) for one in claims if one.peer == peer)
        wanted = f"one of {frame_rate:g} frames/s more"
        if load + cost > MOST_LOAD:
            return Refusal(
                "capacity",
                f"sessions take {load:.0%} of what is made in time, and {wanted} would take"
                f" {cost:.0%}; the limit is {MOST_LOAD:.0%}",
            )
        if self._shares and own and own + cost > _PEERS_PART * (MOST_LOAD - load - cost):
            return Refusal(
                "share",
                f"your sessions take {own:.0%} of what is made in time, and {wanted} would leave"
                f" too little for others",
            )
        late = self._lateness.p95()
        if late is None or (late := late * (1 - load) / (1 - load - cost)) <= self._target:
            return None
        return Refusal(
            "latency",
            f"with {wanted}, five of 100 groups would be {1000 * late:.0f} ms late or more; the"
            f" target is {1000 * self._target:.0f} ms",
        )

    def _doubt(self, model: str) -> None:
        """Has a cost measured anew that groups have not told for a while: it may be too high."""
        if self.clock() - self._measured.get(model, -math.inf) > _SURE_SECONDS:
            self._measured[model] = self.clock()
            self.unsure_of = model
            self.unsure.set()

    def _cost(self, model: str, frame_rate: float) -> float:
        seconds = self.costs.frame_seconds(model)
        return 0.0 if seconds is None else frame_rate * seconds / self.slots.slots
