"""Admission control: no session is admitted that would delay the others."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry
from support.virtual_time import now, run_virtually

from motioncast.orchestrator.lateness import LEAST_GROUPS
from motioncast.orchestrator.load import MOST_LOAD, Costs, Load
from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.orchestrator.settings import OrchestratorSettings
from motioncast.wire.errors import ExhaustedError

REFUSED = "motioncast_sessions_refused_total"


@dataclass
class Door:
    """A load with two slots and a stopped clock; a frame of `m` takes 0.1 s of a slot."""

    target: float | None = 1.0
    per_peer: int | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    exits: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        settings = OrchestratorSettings(
            latency_target_seconds=self.target, group_slots=2, max_sessions_per_peer=self.per_peer
        )
        self.load = Load(settings, OrchestratorMetrics(self.registry), lambda: 0.0)
        self.load.costs.note("m", "make", 10, 1.0)

    def enter(self, peer: str, rate: float, *, resumed: bool = False) -> None:
        """Admits a session; each frame/s takes 0.05 of the capacity."""
        self.exits.enter_context(self.load.session(peer, "m", rate, resumed=resumed))

    def refused(self, reason: str) -> float | None:
        return self.registry.get_sample_value(REFUSED, {"reason": reason})


def test_a_session_costs_its_frame_rate_times_the_seconds_of_a_frame() -> None:
    door = Door()
    door.enter("A", 8.0)
    assert door.load.load == pytest.approx(8.0 * 0.1 / 2)


def test_what_cannot_be_made_in_time_is_refused_with_the_time_to_come_again() -> None:
    door = Door()
    door.enter("A", 8.0)
    door.enter("B", 8.0)  # 0.8 of 0.85
    with pytest.raises(ExhaustedError, match=r"sessions use 80% .* would use 20%") as refusal:
        door.enter("C", 4.0)
    assert refusal.value.retry_after_seconds == 2.0
    assert door.refused("capacity") == 1
    door.enter("C", 0.9)  # 0.845


def test_the_only_session_is_let_in_however_much_it_wants() -> None:
    door = Door()
    door.enter("A", 240.0)
    with pytest.raises(ExhaustedError):
        door.enter("B", 1.0)
    door.exits.close()
    door.enter("B", 240.0)


def test_who_was_let_in_elsewhere_goes_on_here() -> None:
    door = Door()
    door.enter("A", 20.0)
    door.enter("B", 20.0, resumed=True)
    assert door.load.load == pytest.approx(2.0)


def test_without_a_target_everybody_is_let_in() -> None:
    door = Door(target=None)
    for number in range(20):
        door.enter(f"peer {number}", 25.0)


def test_a_peer_leaves_others_half_of_what_it_takes() -> None:
    door = Door()
    for _ in range(5):
        door.enter("A", 2.0)  # 0.1 each: 0.5 <= 2 (0.85 - 0.5)
    with pytest.raises(ExhaustedError, match="too little for others"):
        door.enter("A", 2.0)  # 0.6 > 2 (0.85 - 0.6)
    assert door.refused("share") == 1
    door.enter("B", 2.0)
    door.enter("B", 2.0)  # 0.2 <= 2 (0.85 - 0.7)
    with pytest.raises(ExhaustedError):
        door.enter("B", 1.5)


def test_a_proxy_stands_for_many() -> None:
    door = Door(per_peer=64)
    for _ in range(8):
        door.enter("proxy", 2.0)


def test_the_silent_take_nothing_from_others() -> None:
    door, silent = Door(), False
    door.exits.enter_context(door.load.session("A", "m", 15.0, is_silent=lambda: silent))
    door.enter("B", 1.0)
    with pytest.raises(ExhaustedError):
        door.enter("C", 8.0)
    silent = True
    door.enter("C", 8.0)


def test_lateness_grows_as_in_a_queue_and_is_kept_below_the_target() -> None:
    door = Door(target=0.9)
    door.enter("A", 8.0)  # load 0.4
    for _ in range(LEAST_GROUPS):
        door.load.note_late(0.5)
    # With another 4 frames/s: 0.5 (1 - 0.4) / (1 - 0.6) = 0.75. With 6: 0.5 * 0.6 / 0.3 = 1.
    assert door.load.refusal("B", "m", 4.0) is None
    refusal = door.load.refusal("B", "m", 6.0)
    assert refusal is not None
    assert refusal.reason == "latency"
    assert "at least 1000 ms late; the target is 900 ms" in refusal.problem


def test_seconds_of_a_frame_are_summed_over_the_stages() -> None:
    costs = Costs()
    assert costs.frame_seconds("m") is None
    for _ in range(100):
        costs.note("m", "drive", 8, 0.4)
        costs.note("m", "make", 2, 0.3)
    assert costs.frame_seconds("m") == pytest.approx(0.05 + 0.15)
    for _ in range(40):  # a slowdown of the machine is accepted
        costs.note("m", "make", 2, 0.6)
    assert costs.frame_seconds("m") == pytest.approx(0.05 + 0.30)


def test_groups_that_hung_say_nothing_of_the_others() -> None:
    costs = Costs()
    for _ in range(12):  # as many as are measured at the start
        costs.note("m", "make", 1, 0.1)
    for _ in range(8):
        costs.note("m", "make", 1, 30.0)
    assert costs.frame_seconds("m") == pytest.approx(0.1)


def test_a_cost_that_no_group_has_told_for_a_while_is_measured_anew() -> None:
    door, clock = Door(), [0.0]
    door.load.clock = lambda: clock[0]
    door.load.note_cost("m", "make", 1, 0.1)
    door.enter("A", 16.0)
    for moment, unsure in ((14.0, False), (16.0, True)):
        clock[0] = moment
        with pytest.raises(ExhaustedError):
            door.enter("B", 16.0)
        assert door.load.unsure.is_set() == unsure
    assert door.load.unsure_of == "m"
    door.load.costs.forget("m")
    for _ in range(4):  # more than the samples kept from before
        door.load.note_cost("m", "make", 1, 0.01)
    assert door.load.costs.frame_seconds("m") == pytest.approx(0.01)


SLOTS, FRAME_SECONDS, RATE, FRAMES = 2, 0.05, 10.0, 2  # 40 frames/s: four sessions are the capacity
CAPACITY = SLOTS / FRAME_SECONDS / RATE


class Crowd:
    """Live senders on a virtual clock, each its own peer, that retry when refused."""

    def __init__(self, target: float | None) -> None:
        settings = OrchestratorSettings(latency_target_seconds=target, group_slots=SLOTS)
        self.load = Load(settings, OrchestratorMetrics(CollectorRegistry()), now)
        self.load.costs.note("m", "make", 100, 100 * FRAME_SECONDS)
        self.late: list[float] = []
        self.refused = 0
        self._random = random.Random(5)

    def p95(self, times: float) -> float:
        """Returns the 95th percentile of admitted groups' lateness at a multiple of capacity."""
        run_virtually(self._crowd(round(times * CAPACITY)))
        return sorted(self.late)[int(0.95 * len(self.late))]

    async def _crowd(self, senders: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.gather(*(self._sender(f"peer {n}") for n in range(senders)))

    async def _sender(self, peer: str) -> None:
        await asyncio.sleep(self._random.uniform(0, 1))
        while now() < 40:
            try:
                with self.load.session(peer, "m", RATE) as work:
                    await self._stream(work)
            except ExhaustedError as error:
                self.refused += 1
                await asyncio.sleep((error.retry_after_seconds or 0) + self._random.uniform(0, 1))

    async def _stream(self, work: object) -> None:
        began, tasks = now(), []
        for group in itertools.count():
            if now() > 40:
                break
            tasks.append(asyncio.create_task(self._group(work)))
            await asyncio.sleep(max(0.0, began + (group + 1) * FRAMES / RATE - now()))
        await asyncio.gather(*tasks)

    async def _group(self, work) -> None:  # type: ignore[no-untyped-def]
        came = now()
        async with work.turn("make", FRAMES):
            await asyncio.sleep(FRAMES * FRAME_SECONDS * self._random.uniform(0.5, 1.5))
        self.late.append(now() - came)
        self.load.note_late(now() - came)


def test_those_let_in_at_four_times_the_capacity_are_as_well_off_as_at_capacity() -> None:
    at_capacity, crowd = Crowd(1.0).p95(1), Crowd(1.0)
    assert crowd.p95(4) <= 1.5 * at_capacity
    assert crowd.refused > 0
    assert Crowd(None).p95(4) > 1.5 * at_capacity  # without admission control


def test_below_the_capacity_nobody_is_refused() -> None:
    crowd = Crowd(1.0)
    crowd.p95(MOST_LOAD * 0.6)
    assert crowd.refused == 0
