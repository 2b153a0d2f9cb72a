"""Fitting the cost model recovers exact coefficients and predicts an unseen run."""

from __future__ import annotations

import numpy as np
import pytest
from capacity.model import Capacity, Run
from chaos.soak import Slope

MIB = 2**20


def run_of(sessions: int, frames: int, observed: int, predicted: int) -> Run:
    """Returns a run on two cores: 20 ms per observed frame, 15 per other frame, 100 per session."""
    asked = Run(sessions, frames, observed, predicted, 0.0, 0.0, 0.0, 0)
    rest = asked.all_frames - asked.observed_frames
    server = 0.020 * asked.observed_frames + 0.015 * rest + 0.1 * sessions
    client = 0.005 * asked.all_frames
    seconds = (server + client) / (0.9 * 2)
    return Run(
        sessions,
        frames,
        observed,
        predicted,
        seconds,
        server,
        client,
        (300 + 3 * sessions) * MIB,
    )


CASES = ((1, 200, 1, 0), (2, 100, 1, 1), (4, 80, 5, 5), (8, 40, 2, 6), (16, 20, 1, 0))


def test_frames_that_are_sent_are_counted_by_the_pattern() -> None:
    assert Run(1, 10, 5, 5, 0, 0, 0, 0).observed_frames == 5
    assert Run(3, 13, 5, 5, 0, 0, 0, 0).observed_frames == 3 * 8
    assert Run(2, 7, 1, 0, 0, 0, 0, 0).observed_frames == 14


def test_what_frames_and_sessions_take_is_found_again() -> None:
    fitted = Capacity.of([run_of(*case) for case in CASES], cores=2)
    assert fitted.observed_seconds == pytest.approx(0.020)
    assert fitted.forecast_seconds == pytest.approx(0.015)
    assert fitted.session_seconds == pytest.approx(0.1)
    assert fitted.base_bytes == pytest.approx(300 * MIB)
    assert fitted.session_bytes == pytest.approx(3 * MIB)
    assert fitted.share == pytest.approx(0.9)
    assert fitted.frames_per_core(1, 0) == pytest.approx(50)
    assert fitted.frames_per_core(1, 1) == pytest.approx(2 / 0.035)


def test_a_run_that_was_not_seen_is_told() -> None:
    fitted = Capacity.of([run_of(*case) for case in CASES], cores=2)
    told, real = fitted.predict(6, 72, 3, 1), run_of(6, 72, 3, 1)
    assert told.seconds == pytest.approx(real.seconds)
    assert told.server_seconds == pytest.approx(real.server_seconds)
    assert told.resident == pytest.approx(real.resident)


def test_nothing_is_given_back() -> None:
    """Noise must not lead to a negative cost, which would make big runs cheap."""
    runs = [run_of(*case) for case in CASES]
    lighter = [
        Run(
            one.sessions, one.frames, one.observed, one.predicted, one.seconds,
            one.server_seconds - 0.15 * one.sessions, one.client_seconds, one.resident,
        )
        for one in runs
    ]  # fmt: skip
    assert Capacity.of(lighter, cores=2).session_seconds == 0


def test_a_slope_is_that_of_the_line_and_its_interval_holds_it() -> None:
    minutes = np.arange(0, 60, 1 / 12)
    noise = np.random.default_rng(0).normal(0, 2, len(minutes))
    slope = Slope.of(list(minutes), list(400 + 0.5 * minutes + noise))
    assert slope.low < 0.5 < slope.high
    assert slope.high - slope.low < 0.1
    exact = Slope.of(list(minutes), list(400 + 0.5 * minutes))
    assert exact.per_minute == pytest.approx(0.5)
