"""Places are neither lost nor assigned twice, however calls leave the queue."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from motioncast.serving import Metrics
from motioncast.serving.admission import Admission
from motioncast.serving.call import Call
from motioncast.wire.errors import DeadlineError, ExhaustedError, UnavailableError


class Context:
    """The part of grpc's context that admission uses: the time remaining."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    def time_remaining(self) -> float | None:
        return self._seconds


class Calls:
    """Calls to an admission with one place; each runs until ended by the test."""

    def __init__(self, max_queued_calls: int = 8) -> None:
        self.metrics = Metrics()
        self.admission = Admission(1, max_queued_calls, lambda service, method: False, self.metrics)
        self.running: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def start(self, name: str, seconds: float | None = None) -> asyncio.Task[None]:
        """Starts a call and lets it run until it blocks."""
        self._ends[name] = asyncio.Event()
        context: Any = Context(seconds)
        call = Call("service", name, "unary", context, self._nothing, self._drop)
        task = asyncio.create_task(self.admission.admit(call, self._run))
        await settle()
        return task

    def end(self, name: str) -> None:
        self._ends[name].set()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    async def _run(self, call: Call) -> None:
        self.running.append(call.method)
        try:
            await self._ends[call.method].wait()
        finally:
            self.running.remove(call.method)

    async def _nothing(self) -> None:
        return None

    async def _drop(self, message: bytes) -> None:
        return None


async def settle() -> None:
    """Lets every task run until it blocks."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_deadline_that_passes_in_the_queue_is_told_and_frees_the_queue() -> None:
    calls = Calls(max_queued_calls=1)
    await calls.start("first")
    with pytest.raises(DeadlineError, match="waited for its turn"):
        await (await calls.start("late", seconds=0.01))
    assert calls.sample("motioncast_calls_rejected_total", reason="deadline") == 1
    assert calls.sample("motioncast_calls_queued") == 0
    await calls.start("next")
    calls.end("first")
    await settle()
    assert calls.running == ["next"]
    calls.end("next")
    await settle()


async def test_a_call_that_is_cancelled_as_its_turn_comes_passes_the_turn_on() -> None:
    calls = Calls()
    await calls.start("first")
    second, third = await calls.start("second"), await calls.start("third")
    calls.end("first")
    await asyncio.sleep(0)  # the first ends; the second has its turn but has not run yet
    second.cancel()
    await settle()
    assert second.cancelled()
    assert calls.running == ["third"]
    assert calls.sample("motioncast_calls_in_flight") == 1
    calls.end("third")
    await third
    assert calls.sample("motioncast_calls_in_flight") == 0


async def test_a_call_cancelled_in_the_middle_of_the_queue_leaves_the_order_of_the_others() -> None:
    calls = Calls()
    first, second, third = [await calls.start(name) for name in ("first", "second", "third")]
    second.cancel()
    calls.end("first")
    await settle()
    assert calls.running == ["third"]
    calls.end("third")
    await asyncio.gather(first, third)


async def test_a_queue_of_no_length_refuses_what_cannot_run_at_once() -> None:
    calls = Calls(max_queued_calls=0)
    first = await calls.start("first")
    with pytest.raises(ExhaustedError) as raised:
        await (await calls.start("second"))
    assert raised.value.retry_after_seconds == 1
    calls.end("first")
    await first


async def test_a_drain_ends_when_the_last_running_call_does_and_refuses_the_waiting() -> None:
    calls = Calls()
    first, second = await calls.start("first"), await calls.start("second")
    drain = asyncio.create_task(calls.admission.drain(grace_seconds=600))
    with pytest.raises(UnavailableError):
        await second
    with pytest.raises(UnavailableError):
        await (await calls.start("third"))
    assert not drain.done()
    calls.end("first")
    await asyncio.gather(first, drain)
    assert calls.sample("motioncast_calls_rejected_total", reason="draining") == 2
