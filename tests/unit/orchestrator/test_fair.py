"""No session gets more than one group of each ahead of another that is waiting."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from support.virtual_time import now, run_virtually

from motioncast.orchestrator.fair import FairQueue, Ran, Slots


def served(lengths: dict[tuple[str, str], float], groups: int) -> list[Counter[str]]:
    """Returns the seconds given to each session and each peer, after every group.

    There is one slot, every session always has work, and a group's length is known in advance.
    """
    queue: FairQueue[tuple[str, str]] = FairQueue()
    by_session = {session: length for (_, session), length in lengths.items()}
    for peer, session in lengths:
        queue.enter(peer, session)
        queue.put(peer, session, (peer, session))
    had: list[Counter[str]] = [Counter()]
    for _ in range(groups):
        taken = queue.take(by_session.__getitem__)
        assert taken is not None
        peer, session = taken
        had.append(had[-1] + Counter({peer: by_session[session], session: by_session[session]}))
        queue.put(peer, session, (peer, session))
    return had


def test_long_groups_get_no_more_time_than_short_ones() -> None:
    lengths = {("A", "long"): 32.0, ("B", "short"): 1.0}
    for had in served(lengths, 500):
        assert abs(had["long"] - had["short"]) <= 32.0 + 1.0  # Goyal et al., theorem 1


def test_a_peer_with_many_sessions_gets_no_more_than_one_with_one() -> None:
    lengths = {("A", f"A{number}"): 2.0 for number in range(16)} | {("B", "B0"): 1.0}
    for had in served(lengths, 500):
        assert abs(had["A"] - had["B"]) <= 2.0 + 1.0
        sessions = [had[f"A{number}"] for number in range(16)]
        assert max(sessions) - min(sessions) <= 2.0 + 2.0


def test_shares_are_equal_for_any_lengths() -> None:
    random_ = random.Random(3)
    lengths = {(peer, f"{peer}{n}"): random_.uniform(0.1, 9) for peer in "ABC" for n in range(4)}
    most = max(lengths.values())
    for had in served(lengths, 2000):
        assert max(had[peer] for peer in "ABC") - min(had[peer] for peer in "ABC") <= 2 * most


def test_who_was_idle_has_saved_nothing_up() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in ("busy", "idle"):
        queue.enter(name, name)
    for _ in range(100):
        queue.put("busy", "busy", "busy")
        queue.take(lambda _: 1.0)
    for _ in range(10):
        queue.put("busy", "busy", "busy")
        queue.put("idle", "idle", "idle")
    order = [queue.take(lambda _: 1.0) for _ in range(20)]
    assert Counter(order[:6]) == {"busy": 3, "idle": 3}  # alternately, not ten of one first


def test_what_took_longer_than_expected_is_counted_afterwards() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in ("first", "second"):
        queue.enter(name, name)
        for _ in range(5):
            queue.put(name, name, name)
    assert queue.take(lambda _: 1.0) == "first"
    queue.settle("first", "first", 2.5)  # it took 3.5
    order = [queue.take(lambda _: 1.0) for _ in range(5)]
    assert order == ["second", "second", "second", "second", "first"]  # starts at 0, 1, 2, 3; 3.5


def test_as_many_run_as_there_are_slots_and_the_last_ones_leave_no_trace() -> None:
    async def main() -> None:
        slots, ran, at_once, most = Slots(3, now), list[Ran](), 0, 0

        async def group(session: str) -> None:
            nonlocal at_once, most
            async with slots.turn("peer", session, ran.append):
                at_once += 1
                most = max(most, at_once)
                await asyncio.sleep(1.0)
                at_once -= 1

        for number in range(10):
            slots.enter("peer", str(number))
        await asyncio.gather(*(group(str(number)) for number in range(10)))
        assert most == 3
        assert now() == pytest.approx(4.0)  # 3 + 3 + 3 + 1
        assert [one.seconds for one in ran] == pytest.approx([1.0] * 10)
        # Two started and two ended while a slot was free.
        assert sum(one.crowded for one in ran) == 6
        for number in range(10):
            slots.leave("peer", str(number))
        assert slots.waiting == 0

    run_virtually(main())


def test_who_gives_up_passes_the_slot_on() -> None:
    async def main() -> None:
        slots = Slots(1, now)
        for name in ("a", "b", "c"):
            slots.enter(name, name)

        async def hold(name: str, seconds: float) -> None:
            async with slots.turn(name, name, lambda _: None):
                await asyncio.sleep(seconds)

        first = asyncio.create_task(hold("a", 100.0))
        waiting = asyncio.create_task(hold("b", 1.0))
        last = asyncio.create_task(hold("c", 1.0))
        await asyncio.sleep(1.0)
        waiting.cancel()
        first.cancel()
        await last
        assert now() == pytest.approx(2.0)

        first = asyncio.create_task(hold("a", 1.0))
        waiting = asyncio.create_task(hold("b", 1.0))
        await asyncio.sleep(0)
        await asyncio.sleep(1.0)  # its turn comes at the same moment
        waiting.cancel()
        await asyncio.gather(first, waiting, return_exceptions=True)
        await hold("c", 1.0)
        assert now() <= 4.0 + 1.0

    run_virtually(main())
