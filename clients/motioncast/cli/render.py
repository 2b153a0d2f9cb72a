"""Renders the results of a video: videos to look at, and the quality of every frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.cli.cast import Cast, CastFrame, Images
from motioncast.cli.comparison import TRAIL_FRAMES, Sample, compose_frame, compose_strip
from motioncast.cli.marking import mark
from motioncast.cli.report import FrameRecord
from motioncast.cli.soundtrack import Soundtrack
from motioncast.client import Mode, Origin
from motioncast.client.video import write_video
from motioncast.provenance import SourceType
from motioncast.quality.pixels import compare

STRIP_FRAMES: Final = 6


@dataclass(frozen=True, slots=True)
class Rendering:
    """What was measured and rendered."""

    frames: tuple[FrameRecord, ...]
    strip: NDArray[np.uint8]  # (H, W, 3), several frames side by side


def render(
    folder: Path,
    originals: Images,
    results: Images,
    cast: Cast,
    sound: Soundtrack,
    on_frame: Callable[[], object],
) -> Rendering:
    """Writes comparison.mp4 and result.mp4 into a folder.

    Args:
        folder: The output folder.
        originals: The frames of the video, cropped and scaled.
        results: The result frames, equally many.
        cast: The rest of the results.
        sound: The soundtrack of both.
        on_frame: Called after each frame.
    """
    config = cast.config
    measured = config.mode is Mode.RECONSTRUCTION  # a transfer has nothing to be compared with
    title = "original" if measured else "driving"
    note = f"{config.observed} observed : {config.predicted} predicted"
    records = []
    with ExitStack() as stack:
        comparison, result = (
            stack.enter_context(
                write_video(
                    folder / name,
                    config.frame_rate,
                    sound=stack.enter_context(sound.opened()),
                    mark=mark(source_type, config.model),
                )
            )
            for name, source_type in (
                ("comparison.mp4", SourceType.COMPOSITE),
                ("result.mp4", SourceType.SYNTHETIC),
            )
        )
        for frame in cast.frames:
            sample = _sample(frame, originals, results, cast.frames)
            comparison.write(compose_frame(sample, original_title=title, note=note))
            result.write(sample.result)
            records.append(
                FrameRecord(
                    frame.index,
                    frame.origin,
                    frame.group_frames,
                    frame.group_ms,
                    frame.end_to_end_ms,
                    compare(sample.result, sample.original) if measured else None,
                    compare(originals[0], sample.original) if measured else None,
                    frame.crop,
                    frame.faces,
                    frame.source,
                    frame.interpolated,
                )
            )
            on_frame()
    shown = choose(cast.frames, STRIP_FRAMES)
    samples = [_sample(frame, originals, results, cast.frames) for frame in shown]
    return Rendering(tuple(records), compose_strip(samples, original_title=title))


def choose(frames: Sequence[CastFrame], count: int) -> list[CastFrame]:
    """Returns about `count` frames, evenly spread, with an equal share of every origin present."""
    by_origin = [[frame for frame in frames if frame.origin is origin] for origin in Origin]
    present = [members for members in by_origin if members]
    share = max(1, count // len(present))
    chosen = []
    for offset, members in enumerate(present):
        # Each origin starts a little later; otherwise neighbouring frames would be shown.
        places = (np.arange(share) + (offset + 0.5) / len(present)) * len(members) / share
        chosen += [members[place] for place in sorted({int(place) for place in places})]
    return sorted(chosen, key=lambda frame: frame.index)


def _sample(
    frame: CastFrame, originals: Images, results: Images, frames: Sequence[CastFrame]
) -> Sample:
    trail = frames[max(0, frame.index - TRAIL_FRAMES + 1) : frame.index + 1]
    return Sample(
        frame.index,
        frame.origin,
        originals[frame.index],
        results[frame.index],
        tuple(one.keypoints for one in trail),
    )
