"""When the predictor sees which frames of a session, tested with a linear predictor."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from motioncast.orchestrator.recurrence import Filled, Recurrence, Told
from motioncast.orchestrator.settings import MAX_STRETCH_FRAMES
from motioncast.timeline.span import Span
from motioncast.timeline.unseen import MAX_OBSERVED
from motioncast.v1.motion_transfer_pb2 import StageTimings
from motioncast.wire.keypoints import Keypoints

HOLD = np.array([[0.25, 0.5, 1.0]], np.float32)
Line = tuple[float, float]  # position and velocity of x


class Linear:
    """Forecasts x_t = x_{t-1} + (x_{t-1} - x_{t-2}), never clamping forecasts or state."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, str]] = []  # start, and O or P of each frame

    async def predict(self, span: Span, state: Line | None, timings: StageTimings) -> Told[Line]:
        self.spans.append((span.start, "".join("O" if one else "P" for one in span.observed)))
        x, velocity = state or (0.0, 0.0)
        forecast, errors = np.zeros_like(span.keypoints), []
        for t, seen in enumerate(span.observed):
            forecast[t, :, 0] = told = x + velocity
            now = float(span.keypoints[t, 0, 0]) if seen else told
            if seen:
                errors.append(abs(min(max(told, -1.0), 1.0) - now))
            started = state is not None or t > 0
            x, velocity = now, now - x if started else 0.0
        return Told(forecast, (None,) * len(forecast), errors, (x, velocity))


def stretch(start: int, *xs: float | None) -> Span:
    keypoints = np.zeros((len(xs), 1, 3), np.float32)
    for t, x in enumerate(xs):
        keypoints[t, 0, 0] = x or 0.0
    return Span(start, keypoints, np.array([x is not None for x in xs]))


def xs(filled: Filled) -> list[float]:
    keypoints: Keypoints = filled.keypoints
    return [round(float(x), 6) for x in keypoints[:, 0, 0]]


async def fill(recurrence: Recurrence[Line], of: Span) -> Filled:
    return await recurrence.fill(of, HOLD, StageTimings())


async def test_a_gap_goes_on_along_the_line_and_stops_at_the_border() -> None:
    filled = await fill(Recurrence(Linear()), stretch(0, 0.0, 0.3, None, None, None, None))
    assert xs(filled) == [0.0, 0.3, 0.6, 0.9, 1.0, 1.0]
    assert filled.errors == pytest.approx([0.3])  # the first frame has no forecast


async def test_where_nothing_is_missing_the_predictor_is_asked_nothing() -> None:
    linear = Linear()
    recurrence = Recurrence(linear)
    assert xs(await fill(recurrence, stretch(0, 0.1, 0.2))) == [0.1, 0.2]
    assert (await fill(recurrence, stretch(2, 0.3))).errors == []
    assert linear.spans == []
    filled = await fill(recurrence, stretch(3, 0.4, None))
    assert linear.spans == [(0, "OOOOP")]
    assert xs(filled) == [0.4, 0.5]
    assert filled.errors == pytest.approx([0.1, 0, 0], abs=1e-6)


async def test_frames_that_wait_never_become_more_than_a_call_takes() -> None:
    linear = Linear()
    recurrence = Recurrence(linear)
    errors = []
    for start in range(0, 600, MAX_STRETCH_FRAMES):
        errors += (await fill(recurrence, stretch(start, *[0.1] * MAX_STRETCH_FRAMES))).errors
    errors += await recurrence.catch_up(StageTimings())
    assert all(len(origins) <= MAX_OBSERVED for _, origins in linear.spans)
    assert len(linear.spans) == 3
    assert errors == [0.0] * (608 - 1)


async def test_before_the_first_observed_frame_the_source_is_held() -> None:
    linear = Linear()
    recurrence = Recurrence(linear)
    assert xs(await fill(recurrence, stretch(0, None, None))) == [0.25, 0.25]
    filled = await fill(recurrence, stretch(2, None, 0.5, None))
    assert xs(filled) == [0.25, 0.5, 0.5]
    assert linear.spans == [(3, "OP")]


@pytest.mark.parametrize("cuts", [[], [3], [1, 2, 5], [2, 4, 6, 7]])
async def test_however_a_session_is_cut_it_is_the_same(cuts: list[int]) -> None:
    whole = stretch(0, 0.0, 0.2, None, 0.5, 0.9, None, None, 0.7)
    edges = [0, *cuts, 8]
    recurrence = Recurrence(Linear())
    found: list[float] = []
    errors: list[float] = []
    for first, end in pairwise(edges):
        part = Span(first, whole.keypoints[first:end], whole.observed[first:end])
        filled = await fill(recurrence, part)
        found += xs(filled)
        errors += filled.errors
    errors += await recurrence.catch_up(StageTimings())
    # From 0.9 at 0.4 per frame: 1.3 and 1.7 are clamped when shown, 2.1 when measured.
    assert found == pytest.approx([0.0, 0.2, 0.4, 0.5, 0.9, 1.0, 1.0, 0.7])
    assert errors == pytest.approx([0.2, 0.1, 0.3, 0.3], abs=1e-6)


async def test_a_run_inside_something_larger_goes_on_like_any_other() -> None:
    """An ensemble runs the predictor itself, so pending frames are processed first."""
    linear = Linear()
    recurrence = Recurrence(linear)
    await fill(recurrence, stretch(0, 0.0, 0.2))
    errors = await recurrence.catch_up(StageTimings())
    span = stretch(2, None, 0.5)
    filled = recurrence.take(span, await linear.predict(span, recurrence.state, StageTimings()))
    assert xs(filled) == [0.4, 0.5]
    assert errors + filled.errors == pytest.approx([0.2, 0.1], abs=1e-6)
    assert linear.spans == [(0, "OO"), (2, "PO")]


async def late(recurrence: Recurrence[Line], **at: float) -> None:
    """Reports frames that arrived after they were forecast: frame3=0.6."""
    known = {
        int(name.removeprefix("frame")): np.array([[x, 0, 0]], np.float32) for name, x in at.items()
    }
    await recurrence.correct(known, StageTimings())


async def test_a_frame_that_comes_late_corrects_what_follows() -> None:
    linear = Linear()
    recurrence = Recurrence(linear, late=True)
    assert xs(await fill(recurrence, stretch(0, 0.0, 0.1, None, None))) == [0.0, 0.1, 0.2, 0.3]
    await late(recurrence, frame2=0.0, frame3=0.0)
    assert linear.spans[-1] == (0, "OOOO")
    # As if they had arrived in time: at rest at 0, not at 0.3 moving by 0.1 per frame.
    assert xs(await fill(recurrence, stretch(4, None, None))) == [0.0, 0.0]


async def test_late_frames_of_several_stretches_are_seen_in_one_call() -> None:
    linear = Linear()
    recurrence = Recurrence(linear, late=True)
    await fill(recurrence, stretch(0, 0.0, 0.1))
    for start in (2, 4, 6):
        await fill(recurrence, stretch(start, 0.1 * start, None))
    await late(recurrence, frame5=0.5, frame7=0.9)
    assert linear.spans[-1] == (4, "OOOO")  # earlier results are kept
    assert xs(await fill(recurrence, stretch(8, None)))[0] == 1.0  # 0.9 + 0.3, clamped
    await late(recurrence, frame8=0.5)
    assert linear.spans[-1] == (8, "O")


@pytest.mark.parametrize("index", [0, 100, 4])
async def test_what_is_known_already_or_too_far_away_corrects_nothing(index: int) -> None:
    linear = Linear()
    recurrence = Recurrence(linear, late=True)
    await fill(recurrence, stretch(0, 0.0, None))
    for start in range(2, 2 + 2 * MAX_OBSERVED, 2):
        await fill(recurrence, stretch(start, 0.0, None))
    asked = len(linear.spans)
    await recurrence.correct({index: HOLD}, StageTimings())
    assert len(linear.spans) == asked
    await recurrence.correct({513: HOLD}, StageTimings())
    start, origins = linear.spans[-1]
    assert (start, origins) == (512, "OO")
