"""A session's report: counts, bytes, forecast errors, timings."""

from __future__ import annotations

import numpy as np
import pytest
from support.moving_points import SOURCE, image, keypoints
from support.raw_sessions import cast, config, frame, packet, source


async def test_the_report_counts_what_happened(target: str) -> None:
    requests = [
        config(observed_frames=1, predicted_frames=1, frame_rate=10.0),
        source(SOURCE),
        *(packet(t, keypoints(t)) for t in (0, 2, 6)),
    ]
    session = await cast(target, requests)
    report = session.report
    assert session.origins == "OPOPCPOP"
    assert (report.observed_frames, report.predicted_frames, report.concealed_frames) == (3, 4, 1)
    packets = sum(request.ByteSize() for request in requests[2:])
    assert report.bytes.config == requests[0].ByteSize()
    assert report.bytes.source == requests[1].ByteSize()
    assert (report.bytes.keypoints, report.bytes.frames) == (packets, 0)
    assert report.bytes.results > 8 * 16 * 16 * 3
    assert report.bits_per_sent_frame == pytest.approx(8 * packets / 3)
    assert report.bits_per_second == pytest.approx(8 * packets / 0.8)
    assert report.saved_against_all_keypoints == pytest.approx(5 / 8)
    raw = 8 * 16 * 16 * 3
    assert report.saved_against_raw_frames == pytest.approx(
        1 - (packets + requests[1].ByteSize()) / raw
    )
    counts = {summary.stage: summary.count for summary in report.latency}
    assert counts["keypoint"] == 0
    assert 1 <= counts["synthesis"] == counts["total"] <= 4


async def test_the_forecast_error_is_the_distance_to_the_one_step_forecast(target: str) -> None:
    here = np.array([[0.0, 0.0, 0.5]] * 2, dtype=np.float32)
    there = np.array([[0.3, 0.4, 0.5]] * 2, dtype=np.float32)  # 0.5 away
    session = await cast(
        target,
        [
            config(observed_frames=2, predicted_frames=1),
            source(SOURCE),
            packet(0, here),
            packet(1, there),  # after one frame, the forecast holds it
        ],
    )
    assert session.report.forecast_error == pytest.approx(0.5, abs=1e-5)


async def test_timings_add_up(target: str) -> None:
    session = await cast(
        target,
        [
            config(observed_frames=2, predicted_frames=2),
            source(SOURCE),
            *(frame(t, image(t)) for t in (0, 1, 4, 5)),
        ],
    )
    for one in session.frames:
        timings = one.timings
        assert one.group_frames % 4 == 0
        assert 0 < timings.keypoint_inference_ms <= timings.keypoint_ms
        assert 0 < timings.predictor_inference_ms <= timings.predictor_ms
        assert 0 < timings.synthesis_inference_ms <= timings.synthesis_ms
        stages = timings.keypoint_ms + timings.predictor_ms + timings.synthesis_ms
        assert timings.total_ms >= stages
