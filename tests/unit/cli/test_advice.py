from __future__ import annotations

from dataclasses import replace

from motioncast.cli.advice import advice
from motioncast.cli.report import Configuration, MeanQuality, QualityReport

FRAMED = Configuration(
    video="talk.mp4",
    source="first frame",
    model="face256",
    mode="reconstruction",
    relative_motion=False,
    observed=1,
    predicted=1,
    sent_as="frames",
    image_encoding="rgb8",
    keypoint_encoding=None,
    pace="as fast as possible",
    frame_rate=25.0,
    width=256,
    height=256,
    keypoints=80,
    seed=None,
    frame="auto",
    picture_width=640,
    picture_height=480,
    target="services in this process",
)


def mean(psnr: float, copied: float = 25.0, frames: int = 50) -> MeanQuality:
    return MeanQuality(frames, psnr, 0.9, copied, 0.9)


def quality(everything: MeanQuality | None, **of: MeanQuality) -> QualityReport:
    return QualityReport(None, of.get("observed"), of.get("predicted"), None, everything)


def test_a_good_result_needs_no_advice() -> None:
    assert advice(FRAMED, quality(mean(26.0)), True) == []


def test_a_result_that_is_hardly_better_than_a_copy_says_so_first() -> None:
    first, *remedies = advice(FRAMED, quality(mean(25.4)), True)
    assert first == "The result is hardly better than copying the source: +0.4 dB."
    assert any("--sources 4" in one for one in remedies)
    assert any("train personal" in one for one in remedies)
    worse, *_ = advice(FRAMED, quality(mean(24.0)), True)
    assert worse == "The result is worse than copying the source: -1.0 dB."


def test_what_was_not_framed_had_better_be() -> None:
    assert any(
        "--frame auto" in one
        for one in advice(replace(FRAMED, frame="off"), quality(mean(25)), False)
    )
    assert not any("--frame auto" in one for one in advice(FRAMED, quality(mean(25)), True))


def test_where_no_face_was_seen_that_is_said() -> None:
    assert any("No face" in one for one in advice(FRAMED, quality(mean(25)), False))


def test_weak_forecasts_are_told_from_a_weak_model() -> None:
    weak = quality(mean(25.5), observed=mean(27), predicted=mean(24))
    assert any("--predicted 0" in one for one in advice(FRAMED, weak, True))
    alike = quality(mean(25.5), observed=mean(25.5), predicted=mean(25.5))
    assert not any("--predicted 0" in one for one in advice(FRAMED, alike, True))


def test_nothing_measured_is_nothing_to_advise_on() -> None:
    assert advice(FRAMED, quality(None), True) == []
    assert advice(FRAMED, quality(mean(25, frames=3)), True) == []
