"""The report's figures match the definitions in motion_transfer.proto."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from motioncast.orchestrator.accounting import (
    PERCENTILE_WINDOW,
    Accounting,
    Latency,
    Received,
    VideoSize,
)
from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.timeline.origin import Origin
from motioncast.v1.motion_transfer_pb2 import StageTimings

RAW = 16 * 16 * 3


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def accounting(registry: CollectorRegistry) -> Accounting:
    return Accounting(VideoSize(RAW, frame_rate=25.0), OrchestratorMetrics(registry))


def test_a_session_that_did_nothing_reports_zeros(accounting: Accounting) -> None:
    report = accounting.report()
    assert report.observed_frames == report.predicted_frames == report.concealed_frames == 0
    assert report.bits_per_sent_frame == report.bits_per_second == 0
    assert report.saved_against_all_keypoints == report.saved_against_raw_frames == 0
    assert [summary.count for summary in report.latency] == [0, 0, 0, 0, 0, 0]


def test_half_of_the_keypoints_saved_at_one_observed_then_one_predicted(
    accounting: Accounting,
) -> None:
    accounting.count_received(Received("config", 40))
    accounting.count_received(Received("source", RAW))
    for _ in range(10):
        accounting.count_received(Received("keypoints", 100, 1, 100 - 4))
    accounting.count_results([Origin.OBSERVED, Origin.PREDICTED] * 10, 20_000, [0] * 18 + [2] * 2)
    report = accounting.report()
    assert (report.observed_frames, report.predicted_frames) == (10, 10)
    assert list(report.source_frames) == [18, 0, 2]
    assert report.bits_per_sent_frame == 800
    assert report.bits_per_second == 8 * 1000 / (20 / 25.0)
    assert report.saved_against_all_keypoints == 0.5
    assert report.saved_against_raw_frames == pytest.approx(1 - (1000 + RAW) / (20 * RAW))
    assert (report.bytes.config, report.bytes.source) == (40, RAW)
    assert (report.bytes.keypoints, report.bytes.frames, report.bytes.results) == (1000, 0, 20_000)


def test_sending_every_raw_frame_saves_nothing(accounting: Accounting) -> None:
    accounting.count_received(Received("source", RAW))
    accounting.count_received(Received("frames", RAW + 10))
    accounting.count_results([Origin.OBSERVED], RAW, [0])
    report = accounting.report()
    assert report.saved_against_raw_frames == 0
    assert report.saved_against_all_keypoints == 0


def test_a_stage_that_did_not_run_is_not_counted(accounting: Accounting) -> None:
    accounting.count_timings(StageTimings(synthesis_ms=4, total_ms=6))
    accounting.count_timings(StageTimings(keypoint_ms=2, synthesis_ms=8, total_ms=12))
    latency = {summary.stage: summary for summary in accounting.report().latency}
    assert list(latency) == ["keypoint", "predictor", "synthesis", "ensemble", "total", "framing"]
    assert [summary.count for summary in latency.values()] == [1, 0, 2, 0, 2, 0]
    assert latency["synthesis"].p50_ms == 6
    assert latency["synthesis"].mean_ms == 6
    assert latency["predictor"].p99_ms == 0


def test_framing_is_counted_by_the_picture(accounting: Accounting) -> None:
    for milliseconds in (2, 4, 9):
        accounting.count_framing(milliseconds)
    framing = accounting.report().latency[-1]
    assert (framing.stage, framing.count, framing.p50_ms, framing.mean_ms) == ("framing", 3, 4, 5)


def test_frames_larger_than_the_models_save_against_their_own_size(accounting: Accounting) -> None:
    accounting.frames_are(10 * RAW)
    accounting.count_received(Received("frames", RAW))
    accounting.count_results([Origin.OBSERVED], 1, [0])
    assert accounting.report().saved_against_raw_frames == pytest.approx(0.9)


def test_the_forecast_error_is_the_mean_over_observed_frames(accounting: Accounting) -> None:
    accounting.count_forecast_errors([0.25, 0.5])
    accounting.count_forecast_errors([])
    accounting.count_forecast_errors([0.75])
    assert accounting.report().forecast_error == 0.5


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_percentiles_are_those_of_the_values(values: list[float]) -> None:
    latency = Latency()
    for value in values:
        latency.add(value)
    summary = latency.summary("total")
    assert summary.count == len(values)
    assert summary.mean_ms == pytest.approx(sum(values) / len(values))
    assert min(values) <= summary.p50_ms <= summary.p95_ms <= summary.p99_ms <= max(values)
    assert summary.p95_ms == pytest.approx(np.quantile(values, 0.95))


def test_percentiles_forget_what_is_long_past_but_count_and_mean_do_not() -> None:
    latency = Latency()
    latency.add(1e6)
    for _ in range(PERCENTILE_WINDOW):
        latency.add(1.0)
    summary = latency.summary("total")
    assert summary.count == PERCENTILE_WINDOW + 1
    assert summary.p99_ms == 1.0
    assert summary.mean_ms > 1.0


def test_the_orchestrators_metrics_get_every_count(
    accounting: Accounting, registry: CollectorRegistry
) -> None:
    accounting.count_received(Received("keypoints", 100, 1, 100 - 4))
    accounting.count_received(Received("keypoints", 50, 1, 50 - 4))
    accounting.count_results([Origin.OBSERVED, Origin.PREDICTED, Origin.CONCEALED], 300, [0] * 3)
    accounting.count_timings(StageTimings(predictor_ms=250))
    accounting.count_forecast_errors([0.5])

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("motioncast_received_bytes_total", kind="keypoints") == 150
    assert value("motioncast_sent_bytes_total", kind="results") == 300
    assert value("motioncast_frames_total", origin="concealed") == 1
    assert value("motioncast_raw_frame_bytes_total") == 3 * RAW
    assert value("motioncast_all_keypoints_bytes_total") == 3 * 75  # at the mean size
    assert value("motioncast_stage_seconds_sum", stage="predictor") == 0.25
    assert value("motioncast_forecast_error_count") == 1
