"""Writes the results received before a session broke off, and why it ended.

The files are the same as for a complete result; report.html says that it is incomplete, and
report.json contains `ended`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from motioncast.cli.cast import CastFrame
from motioncast.cli.motion import Motion
from motioncast.cli.report import (
    SCHEMA_VERSION,
    Configuration,
    FrameCounts,
    FrameRecord,
    QualityReport,
    Report,
    Versions,
    latency_of,
)
from motioncast.client import Origin


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session broke off."""

    reason: str  # a sentence
    received: int  # frames that had been received
    expected: int  # frames of the video

    @property
    def sentence(self) -> str:
        """The reason and the counts as a sentence, without what happens to the frames."""
        return f"{self.reason.rstrip('.')}: {self.received} of {self.expected} frames were received"


def partial_report(
    configuration: Configuration,
    versions: Versions,
    frames: tuple[CastFrame, ...],
    records: tuple[FrameRecord, ...],
    motion: Motion,
    wall_seconds: float,
    ended: Ended,
) -> dict[str, Any]:
    """Returns report.json of a session that broke off.

    Values that the server would have reported at the end are null.

    Args:
        configuration: The requested settings.
        versions: The versions that produced the report.
        frames: The frames received, at least one.
        records: Measurements of those frames.
        motion: Measurements of their motion.
        wall_seconds: From sending the first frame to the end.
        ended: Why and when it ended.
    """
    origins = [frame.origin for frame in frames]
    counts = FrameCounts(
        len(frames),
        origins.count(Origin.OBSERVED),
        origins.count(Origin.PREDICTED),
        origins.count(Origin.CONCEALED),
    )
    unknown = {field.name: None for field in dataclasses.fields(Report)}
    return {
        **unknown,
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "configuration": dataclasses.asdict(configuration),
        "versions": dataclasses.asdict(versions),
        "frames": dataclasses.asdict(counts),
        "wall_seconds": wall_seconds,
        "frames_per_second": len(frames) / wall_seconds,
        "latency": [
            dataclasses.asdict(latency_of("end_to_end", [one.end_to_end_ms for one in frames]))
        ],
        "quality": dataclasses.asdict(QualityReport.of(records)),
        "motion": dataclasses.asdict(motion),
        "advice": [],
        "rivals": [],
        "timeline": [dataclasses.asdict(record) for record in records],
        "ended": dataclasses.asdict(ended),
    }
