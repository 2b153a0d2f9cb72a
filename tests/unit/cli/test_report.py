"""The report: means by origin, percentiles, and a documented schema."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import pytest

from motioncast.cli.report import FrameRecord, QualityReport, Report, latency_of
from motioncast.client import Origin
from motioncast.quality.pixels import Quality

DOCUMENT = Path(__file__).parents[3] / "docs" / "report.md"


def _frame(index: int, origin: Origin, psnr: float | None, copied: float = 20.0) -> FrameRecord:
    result = None if psnr is None else Quality(psnr, psnr / 100)
    copy = None if psnr is None else Quality(copied, copied / 100)
    return FrameRecord(index, origin, 2, 10.0, 12.0, result, copy)


def test_quality_is_the_mean_over_the_frames_of_each_origin() -> None:
    quality = QualityReport.of(
        [
            _frame(0, Origin.OBSERVED, 50, copied=100),
            _frame(1, Origin.PREDICTED, 30),
            _frame(2, Origin.OBSERVED, 36),
            _frame(3, Origin.PREDICTED, 32),
        ]
    )
    assert quality.observed is not None
    assert quality.predicted is not None
    assert quality.all is not None
    assert (quality.predicted.frames, quality.predicted.psnr_db) == (2, 31.0)
    assert quality.predicted.ssim == pytest.approx(0.31)
    # Frame 0 is the source's own frame and is not counted.
    assert (quality.observed.frames, quality.observed.psnr_db) == (1, 36.0)
    assert quality.all.psnr_db == pytest.approx((30 + 36 + 32) / 3)
    assert quality.all.copied_source_psnr_db == 20.0
    assert quality.concealed is None
    assert quality.reason is None


def test_a_transfer_has_no_quality_but_a_reason() -> None:
    quality = QualityReport.of([_frame(index, Origin.OBSERVED, None) for index in range(3)])
    assert quality.all is None
    assert quality.reason is not None
    assert "transfer" in quality.reason


def test_a_video_of_one_frame_has_no_quality_but_a_reason() -> None:
    quality = QualityReport.of([_frame(0, Origin.OBSERVED, 50)])
    assert quality.all is None
    assert quality.reason is not None
    assert "one frame" in quality.reason


def test_percentiles_of_0_to_100_are_their_own_numbers() -> None:
    latency = latency_of("end_to_end", [float(value) for value in range(101)])
    assert (latency.p50_ms, latency.p95_ms, latency.p99_ms) == (50, 95, 99)
    assert (latency.count, latency.mean_ms) == (101, 50)


def _fields(kind: type) -> set[str]:
    """Returns the names of all fields of a dataclass and of nested dataclasses."""
    names: set[str] = set()
    for name, hint in typing.get_type_hints(kind).items():
        names.add(name)
        for part in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(part) and isinstance(part, type):
                names |= _fields(part)
    return names


def test_every_field_of_the_report_is_explained_in_its_document() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert {name for name in _fields(Report) if f"`{name}`" not in text} == set()
