"""Whether a result moves as the original does, as far as this side can tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.cli.cast import Images
from motioncast.cli.detecting import Detector
from motioncast.quality.agreement import Agreement
from motioncast.quality.expression import compare_movement
from motioncast.quality.temporal import temporal_error

COMPARED_FRAMES: Final = 300  # the most frames of a video, evenly spread
_FRAMES_PER_CALL: Final = 8


@dataclass(frozen=True, slots=True)
class Motion:
    """How a result moves compared with the original or, in a transfer, with the driving video.

    Frame 0, the source's own, is excluded from keypoint comparisons. Keypoints are detected in both
    videos by the same detector, in each picture alone, whatever was sent.
    """

    temporal_error: float | None = None  # 1 for a still picture; None if there is no original
    frames: int = 0  # number of frames whose keypoints were compared
    keypoints: Agreement | None = None  # None if they were not compared, or nothing moves
    mouth: Agreement | None = None  # also None if no keypoint is anchored
    lids: Agreement | None = None
    reason: str | None = None  # why keypoints were not compared


@dataclass(frozen=True, slots=True)
class Watcher:
    """Measures motion on this side.

    Attributes:
        detector: Detects keypoints; None if there is no model for it.
        anchored: Whether the keypoints mark the same points of every face.
        reason: Why there is no detector.
    """

    detector: Detector | None
    anchored: bool = False
    reason: str | None = field(default=None)


def measure_motion(
    results: Images,
    originals: Images,
    watcher: Watcher,
    *,
    reconstruction: bool,
    on_frame: Callable[[], object],
) -> Motion:
    """Compares the result frames with the originals.

    Args:
        results: (H, W, 3) each.
        originals: Of the same size, at least as many.
        watcher: Detects keypoints.
        reconstruction: Whether the results should look like the originals.
        on_frame: Called for each frame whose keypoints were compared.
    """
    if len(results) < 2:
        return Motion(reason="at least two frames are needed")
    shown = _First(originals, len(results))
    error = temporal_error(results, shown) if reconstruction else math.nan
    wrong = None if math.isnan(error) else error
    places = compared_frames(len(results))
    if watcher.detector is None or len(places) < 2:
        return Motion(
            wrong, reason=watcher.reason or "at least two frames other than the source are needed"
        )
    result, original = (
        _keypoints(images, places, watcher.detector, on_frame) for images in (results, originals)
    )
    moved = compare_movement(result, original, anchored=watcher.anchored)
    return Motion(
        wrong, len(places), _known(moved.keypoints), _known(moved.mouth), _known(moved.lids)
    )


def motion_rows(motion: Motion) -> list[tuple[str, str]]:
    """Returns the measurements, as names and figures for a table."""
    rows = []
    if motion.temporal_error is not None:
        rows.append(("error of motion (1: a still picture)", f"{motion.temporal_error:.3f}"))
    for name, one in (
        ("keypoints", motion.keypoints),
        ("mouth opening", motion.mouth),
        ("lids", motion.lids),
    ):
        if one is not None:
            figures = f"{one.correlation:.3f} x {one.amplitude:.2f}"
            rows.append((f"{name}, correlation x amplitude", figures))
    return rows


def compared_frames(count: int) -> list[int]:
    """Returns the frames whose keypoints are compared: all but the first, or evenly spread."""
    wanted = min(count - 1, COMPARED_FRAMES)
    return np.linspace(1, count - 1, wanted).round().astype(int).tolist() if wanted > 0 else []


class _First:
    """The first of many images."""

    def __init__(self, images: Images, count: int) -> None:
        self._images = images
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        return self._images[index]


def _keypoints(
    images: Images, places: list[int], detector: Detector, on_frame: Callable[[], object]
) -> NDArray[np.float32]:
    found = []
    for first in range(0, len(places), _FRAMES_PER_CALL):
        part = places[first : first + _FRAMES_PER_CALL]
        found.append(detector.detect(np.stack([images[place] for place in part])))
        for _ in part:
            on_frame()
    return np.concatenate(found)


def _known(agreement: Agreement | None) -> Agreement | None:
    """Returns None if the value is meaningless because the original does not move."""
    if agreement is None or math.isnan(agreement.correlation):
        return None
    return agreement
