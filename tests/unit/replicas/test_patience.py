"""Which replica gets a call and how long the call waits for it, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, TypeVar

import pytest
from prometheus_client import CollectorRegistry
from support.virtual_time import VirtualLoop, now, run_virtually

from motioncast.replicas.judging import Judgement
from motioncast.replicas.metrics import ReplicaMetrics
from motioncast.replicas.pool import Replicas
from motioncast.serving import Deadline

SLOW = 1.0
ANSWER = 0.01
T = TypeVar("T")


class Channel:
    """A connection to a replica that answers after a while, or never."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.hangs = False  # answers no call
        self.silent = False  # does not answer whether it is alive
        self.seconds = ANSWER

    async def answer(self) -> str:
        await (asyncio.Event().wait() if self.hangs else asyncio.sleep(self.seconds))
        return self.address

    async def is_alive(self, _kind: Hashable) -> bool:
        if self.silent:
            await asyncio.Event().wait()
        return True

    async def is_well(self, _call: object, _seconds: float) -> bool:
        return False

    async def close(self, grace: float | None = None) -> None:
        """Disconnects."""


CHANNELS: Final = Judgement(lambda error: False, Channel.is_well, Channel.is_alive, 0.0)


class Pair:
    """Two replicas, `a` and `b`, and the calls that were repeated."""

    def __init__(self) -> None:
        self.a, self.b = Channel("a"), Channel("b")
        self._registry = CollectorRegistry()
        self.replicas = Replicas(
            "synthesis",
            ["a", "b"],
            {"a": self.a, "b": self.b}.__getitem__,
            CHANNELS,
            SLOW,
            ReplicaMetrics(self._registry),
            now,
        )

    async def call(self, kind: str = "run") -> tuple[str, float]:
        """Returns which replica answered a call, and after how many seconds."""
        began = now()
        address = await self.replicas.call(lambda channel, _: channel.answer(), Deadline(), kind)
        return address, now() - began

    async def stream(self, calls: int) -> list[tuple[str, float]]:
        """Makes calls one after another."""
        return [await self.call() for _ in range(calls)]

    async def learn(self) -> None:
        """Makes calls that take longer and longer, up to 2 s."""
        for self.a.seconds in (0.9, 1.6, 2.0):
            self.b.seconds = self.a.seconds
            await self.stream(2)

    def repeated(self) -> float | None:
        """Returns how many calls were repeated because a replica was slow."""
        labels = {"service": "synthesis", "reason": "slow"}
        return self._registry.get_sample_value("motioncast_backend_calls_again_total", labels)

    def excluded(self) -> float | None:
        """Returns how many replicas are excluded."""
        labels = {"service": "synthesis", "state": "out"}
        return self._registry.get_sample_value("motioncast_backend_replicas", labels)


def virtually(scene: Callable[[Pair], Awaitable[T]]) -> T:
    """Runs a scene with two replicas in virtual time."""

    async def run() -> T:
        pair = Pair()
        try:
            return await scene(pair)
        finally:
            await pair.replicas.close()

    return run_virtually(run())


def test_one_that_hung_makes_nobody_wait_longer_for_the_next_that_hangs() -> None:
    async def incidents(pair: Pair) -> list[float]:
        took = []
        for hanging, other in (("a", "b"), ("b", "a")) * 2:
            getattr(pair, hanging).hangs, getattr(pair, other).hangs = True, False
            for _ in range(2):  # whichever comes first, the hanging one is called once
                answered, seconds = await pair.call()
                assert answered == other
                took.append(seconds)
        return took

    took = virtually(incidents)
    assert max(took) == pytest.approx(SLOW + ANSWER)
    assert min(took) == pytest.approx(ANSWER)


def test_calls_go_round_robin_past_a_replica_that_is_two_behind() -> None:
    async def scene(pair: Pair) -> list[str]:
        await pair.call()  # of b: a is next
        pair.a.seconds, pair.b.seconds = 0.9, 0.5
        calls = []
        for seconds in (0, 0, 0.1, 0.1, 0.4):  # at 0, 0, 0.1, 0.2 and 0.6 s
            await asyncio.sleep(seconds)
            calls.append(asyncio.create_task(pair.call()))
        return [address for address, _ in await asyncio.gather(*calls)]

    # At 0.6 s it is a's turn; a has two calls to answer, and b, which has answered its first, one.
    assert virtually(scene) == ["a", "b", "a", "b", "a"]

    async def behind(pair: Pair) -> list[str]:
        await pair.call()
        pair.a.seconds, pair.b.seconds = 0.9, 0.1
        calls = []
        for _ in range(5):  # at 0, 0.2, 0.4, ...
            calls.append(asyncio.create_task(pair.call()))
            await asyncio.sleep(0.2)
        return [address for address, _ in await asyncio.gather(*calls)]

    # At 0.8 s it would be a's turn, but it has two calls to answer, and b has none.
    assert virtually(behind) == ["a", "b", "a", "b", "b"]


def test_calls_at_a_replica_that_does_not_say_that_it_is_alive_are_repeated_soon() -> None:
    async def scene(pair: Pair) -> tuple[list[float], float | None]:
        await pair.learn()  # a call may take 4 s, as far as is known
        await pair.stream(1)  # of b: a is next
        pair.a.hangs, pair.a.silent, pair.b.seconds = True, True, 0.1
        calls = [asyncio.create_task(pair.call()) for _ in range(2)]
        await asyncio.sleep(0.6)
        calls.append(asyncio.create_task(pair.call()))  # it waits with the first one
        took = [seconds for _, seconds in await asyncio.gather(*calls)]
        return took, pair.excluded()

    took, excluded = virtually(scene)
    # It is asked after 0.25 s, and has half a second to answer.
    assert took == pytest.approx([0.85, 0.1, 0.25])
    assert excluded == 1


def test_a_question_proves_nothing_where_this_process_did_not_run_meanwhile() -> None:
    async def scene(pair: Pair) -> float:
        await pair.learn()
        await pair.stream(1)  # of b: a is next
        pair.a.hangs, pair.a.silent, pair.b.seconds = True, True, 0.1
        call = asyncio.create_task(pair.call())
        await asyncio.sleep(0.3)  # it was asked at 0.25 s
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.stall(0.75)  # until 1.05 s
        return (await call)[1]

    # It is asked again 0.25 s later, and has half a second.
    assert virtually(scene) == pytest.approx(1.05 + 0.25 + 0.5 + 0.1)


def test_a_replica_that_says_that_it_is_alive_is_given_time() -> None:
    async def scene(pair: Pair) -> tuple[float | None, float]:
        await pair.learn()
        await pair.stream(1)  # of b: a is next
        pair.a.seconds = 3.0
        return pair.repeated(), (await pair.call())[1]

    repeated, seconds = virtually(scene)
    assert repeated == 0
    assert seconds == pytest.approx(3.0)


def test_where_calls_take_long_the_others_show_that_one_hangs() -> None:
    async def scene(pair: Pair) -> tuple[float, float | None]:
        await pair.learn()
        pair.a.hangs, pair.b.seconds = True, 1.0
        streams = await asyncio.gather(*(pair.stream(6) for _ in range(8)))
        return max(seconds for stream in streams for _, seconds in stream), pair.excluded()

    longest, excluded = virtually(scene)
    # Three of the calls that begin at 1 s are b's, because a is two behind; when they are answered,
    # those that hang are asked of b: 3 s in all, instead of 5 (twice the slowest recent, and 1).
    assert longest == pytest.approx(3.0)
    assert excluded == 1


def test_a_call_that_a_working_replica_has_lost_is_repeated() -> None:
    async def scene(pair: Pair) -> float:
        await pair.learn()
        await pair.stream(1)  # of b: a is next
        pair.a.hangs = True
        lost = asyncio.create_task(pair.call())
        await asyncio.sleep(0.1)
        pair.a.hangs, pair.a.seconds, pair.b.seconds = False, 1.0, 1.0
        await asyncio.gather(*(pair.stream(4) for _ in range(3)))
        return (await lost)[1]

    # Three later calls are answered at 1.1 s: then it is asked of b.
    assert virtually(scene) == pytest.approx(2.1)


def test_a_busy_replica_is_not_asked_twice() -> None:
    async def scene(pair: Pair) -> tuple[float | None, float | None]:
        pair.a.seconds, pair.b.seconds = 0.5, 0.5
        first = [asyncio.create_task(pair.stream(12)) for _ in range(4)]
        for seconds in (0.9, 1.6, 2.9):  # every stream that joins makes all of them slower
            await asyncio.sleep(3.0)
            pair.a.seconds, pair.b.seconds = seconds, 0.7 * seconds
        await asyncio.gather(*first)
        return pair.repeated(), pair.excluded()

    assert virtually(scene) == (0, 0)


def test_calls_beyond_the_allowance_are_repeated_once_others_are_answered() -> None:
    async def scene(pair: Pair) -> tuple[float | None, float]:
        pair.a.hangs = True
        calls = await asyncio.gather(*(pair.call() for _ in range(140)))
        return pair.repeated(), max(seconds for _, seconds in calls)

    # 70 hang, and 64 may be repeated at once; each answer allows a tenth of another.
    repeated, longest = virtually(scene)
    assert repeated == 70
    assert longest == pytest.approx(SLOW + 0.1 + ANSWER)


def test_calls_of_another_kind_overtake_nobody() -> None:
    async def scene(pair: Pair) -> tuple[float | None, float]:
        await pair.learn()
        await pair.stream(1)  # of b: a is next
        pair.a.seconds, pair.b.seconds = 3.0, 0.1
        long = asyncio.create_task(pair.call("long"))
        await asyncio.sleep(0.05)
        pair.a.seconds = 2.0
        for _ in range(20):  # of b, except for one: then a is two behind
            await pair.call("short")
        return pair.repeated(), (await long)[1]

    repeated, seconds = virtually(scene)
    assert repeated == 0
    assert seconds == pytest.approx(3.0)


def test_a_slow_one_is_used_again_as_soon_as_it_answers_such_a_call() -> None:
    async def scene(pair: Pair) -> tuple[list[float | None], set[str]]:
        await pair.call()  # of b: a is next
        pair.a.hangs, pair.b.seconds = True, 0.9
        calls = [asyncio.create_task(pair.call())]
        await asyncio.sleep(0.1)
        pair.a.hangs, pair.a.seconds = False, 0.95
        calls += [asyncio.create_task(pair.call()) for _ in range(2)]  # of b and a
        await asyncio.sleep(SLOW - 0.1 + 0.02)
        excluded = [pair.excluded()]  # a, because of the first call
        await asyncio.sleep(0.05)
        excluded.append(pair.excluded())  # a has answered the third, at 1.05 s
        await asyncio.gather(*calls)
        return excluded, {address for address, _ in await pair.stream(2)}

    assert virtually(scene) == ([1, 0], {"a", "b"})
