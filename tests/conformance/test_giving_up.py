"""Abandoned runs are stopped and make room for the next."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from support.subjects import Subject

from motioncast.inference import MeasuredEngine
from motioncast.serving import Metrics
from motioncast.wire.errors import DeadlineError

pytestmark = pytest.mark.asyncio(loop_scope="session")

_ENDLESS = {"turns": np.array([[10**15]], np.int64)}
_ONE = {"turns": np.array([[1]], np.int64)}


async def test_a_deadline_ends_a_run(subject: Subject) -> None:
    measured = MeasuredEngine(subject.engine, Metrics().registry)
    with pytest.raises(DeadlineError, match=r"^deadline: passed while turns ran"):
        await measured.infer("turns", _ENDLESS, timeout_seconds=0.3)
    # Every subject runs one call at a time, so this one runs only if the endless one was stopped.
    assert (await measured.infer("turns", _ONE, timeout_seconds=60))["after"] == [[1]]


async def test_cancelled_runs_end_those_that_run_and_those_that_wait(subject: Subject) -> None:
    runs = [asyncio.ensure_future(subject.engine.infer("turns", _ENDLESS)) for _ in range(3)]
    await asyncio.wait(runs, timeout=0.3)
    assert not any(run.done() for run in runs)
    for run in reversed(runs):
        run.cancel()
    ended = await asyncio.gather(*runs, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended)
    async with asyncio.timeout(60):
        assert (await subject.engine.infer("turns", _ONE))["after"] == [[1]]


async def test_a_deadline_that_has_passed_runs_nothing(subject: Subject) -> None:
    measured = MeasuredEngine(subject.engine, Metrics().registry)
    with pytest.raises(DeadlineError, match=r"^deadline: passed before turns was run$"):
        await measured.infer("turns", _ENDLESS, timeout_seconds=0)
