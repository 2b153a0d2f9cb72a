"""The quality of whole folders of clips sent through the services, by pattern and frame origin.

Means are taken over the frames of a clip first, then over clips: every clip counts equally.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.table import Table

from motioncast.cli.cast import CastOptions, Images, cast
from motioncast.cli.failures import CommandError
from motioncast.cli.framed import original_of
from motioncast.cli.pictures import Pictures, most_pixels
from motioncast.cli.progress import Stages
from motioncast.cli.service import ANSWER_SECONDS, open_service
from motioncast.client import FramingMode, Origin, Pixels, Service
from motioncast.client.video import read_video
from motioncast.media import shown
from motioncast.quality.pixels import Quality, compare
from motioncast.timeline.pattern import Pattern

SUFFIXES: Final = {".avi", ".gif", ".mkv", ".mov", ".mp4", ".mpg", ".webm", ".webp"}


@dataclass(frozen=True, slots=True)
class ClipsQuality:
    """Means over clips for the frames of one origin under one pattern; excludes frame 0."""

    pattern: str
    origin: str
    clips: int
    frames: int  # of all clips
    psnr_db: float
    copied_source_psnr_db: float  # with the first frame shown instead of these frames
    gain_db: float
    gain_standard_error_db: float  # over clips
    ssim: float
    copied_source_ssim: float


def find_clips(folder: Path, limit: int | None) -> list[Path]:
    """Returns the videos of a folder; if limited, evenly spread over their sorted names."""
    clips = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not clips:
        raise CommandError(f"{folder}: contains no videos")
    if limit is None or limit >= len(clips):
        return clips
    return [clips[i] for i in np.linspace(0, len(clips) - 1, limit).astype(int)]


async def evaluate_clips(
    clips: Sequence[Path],
    patterns: Sequence[Pattern],
    stages: Stages,
    target: str | None = None,
    models: Path | None = None,
    frame: FramingMode | None = None,
) -> list[ClipsQuality]:
    """Streams every clip under every pattern and measures the results.

    Args:
        clips: Video files.
        patterns: Which frames are sent.
        stages: Shows progress.
        target: The orchestrator's HOST:PORT; None starts all services in this process.
        models: Model repository of this process; None for the installed one.
        frame: How pictures are framed; None: as the model requires.
    """
    rows = []
    async with open_service(target, models) as service:
        info = await service.server_info(timeout=ANSWER_SECONDS)
        model = info.models[0]
        mode = model.framing if frame is None else frame
        reading = _Reading(mode, model.height, most_pixels(info))
        for pattern in patterns:
            advance = stages(f"pattern {pattern}", len(clips))
            measured = []
            for clip in clips:
                measured.append(await _measure(service, clip, reading, pattern))
                advance()
            rows += [
                _mean(pattern, origin, [frames[origin] for frames in measured if frames[origin]])
                for origin in (Origin.OBSERVED, Origin.PREDICTED)
                if any(frames[origin] for frames in measured)
            ]
    return rows


def clips_table(rows: Sequence[ClipsQuality]) -> Table:
    """Returns the rows as a table to print."""
    table = Table(
        title="Quality through the services, means over clips, compared with copying the source"
    )
    for name in ("M:N", "frames"):
        table.add_column(name)
    for name in ("clips", "PSNR, dB", "copied", "gain, dB", "SSIM", "copied"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.pattern,
            row.origin,
            str(row.clips),
            f"{row.psnr_db:.2f}",
            f"{row.copied_source_psnr_db:.2f}",
            f"{row.gain_db:+.2f} ± {row.gain_standard_error_db:.2f}",
            f"{row.ssim:.4f}",
            f"{row.copied_source_ssim:.4f}",
        )
    return table


def as_json(folder: Path, rows: Sequence[ClipsQuality]) -> dict[str, Any]:
    """Returns the rows for --json."""
    return {"folder": shown(folder.name), "quality": [asdict(row) for row in rows]}


@dataclass(frozen=True, slots=True)
class _Reading:
    """How clips are read."""

    mode: FramingMode
    size: int  # of the model's images
    max_pixels: int  # of full pictures

    def open(self, clip: Path) -> tuple[Images, float]:
        """Returns the frames of a clip, or its full pictures to be framed, and its frame rate."""
        with read_video(
            clip,
            self.size if self.mode is FramingMode.OFF else None,
            max_pixels=self.max_pixels,
        ) as video:
            if self.mode is FramingMode.OFF:
                return list(video.frames), video.frame_rate
            count = sum(1 for _ in video.count())
            return Pictures(clip, 0, count, self.max_pixels), video.frame_rate


async def _measure(
    service: Service, clip: Path, reading: _Reading, pattern: Pattern
) -> dict[Origin, list[tuple[Quality, Quality]]]:
    """Returns result and copied source of all frames of a clip except the first, by origin."""
    video, frame_rate = reading.open(clip)
    results: list[Pixels] = []
    options = CastOptions(pattern.observed, pattern.predicted, frame=reading.mode)
    frames: dict[Origin, list[tuple[Quality, Quality]]] = {origin: [] for origin in Origin}
    with ExitStack() as stack:
        if isinstance(video, Pictures):
            stack.enter_context(video)
        done = await cast(service, video, frame_rate, options, results.append)
        first = None
        for frame in done.frames:
            original = original_of(video[frame.index], frame, reading.size)
            first = original if first is None else first
            if frame.index:
                pair = compare(results[frame.index], original), compare(first, original)
                frames[frame.origin].append(pair)
    return frames


def _mean(
    pattern: Pattern, origin: Origin, clips: Sequence[Sequence[tuple[Quality, Quality]]]
) -> ClipsQuality:
    values = np.array(
        [
            np.mean([(r.psnr_db, c.psnr_db, r.ssim, c.ssim) for r, c in frames], axis=0)
            for frames in clips
        ]
    )
    psnr, copied_psnr, ssim, copied_ssim = values.mean(axis=0).tolist()
    gains = values[:, 0] - values[:, 1]
    spread = float(gains.std(ddof=1)) if len(gains) > 1 else 0.0
    return ClipsQuality(
        pattern=str(pattern),
        origin=origin.name.lower(),
        clips=len(clips),
        frames=sum(len(frames) for frames in clips),
        psnr_db=psnr,
        copied_source_psnr_db=copied_psnr,
        gain_db=psnr - copied_psnr,
        gain_standard_error_db=spread / len(gains) ** 0.5,
        ssim=ssim,
        copied_source_ssim=copied_ssim,
    )
