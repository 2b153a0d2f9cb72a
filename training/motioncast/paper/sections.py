"""Builds the sections of an experiment from forecasts and from the measurements of a mode.

Shapes: R rows, C clips, T frames, K keypoints.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from torch import Tensor

from motioncast.metrics.keypoints import average_keypoint_distance
from motioncast.paper.entrants import Entrant
from motioncast.paper.experiment import ModeResult, Row, Values
from motioncast.paper.metrics.fvd import fvd_of_features
from motioncast.paper.metrics.keypoint_motion import MINIMUM_FRAMES, keypoint_motion_distance
from motioncast.paper.summary import Section


def keypoint_section(
    entrants: Sequence[Entrant],
    filled: Tensor,
    keypoints: Tensor,
    mask: Tensor,
    videos: Sequence[Hashable],
) -> Section:
    """Measures timelines (R, C, T, K, 3) against the true keypoints (C, T, K, 3).

    The distance between the motions of two sets of clips needs two clips of six frames.
    """
    singles = {}
    if len(keypoints) >= 2 and keypoints.shape[1] >= MINIMUM_FRAMES:
        distances = [keypoint_motion_distance(timeline, keypoints).value for timeline in filled]
        singles["keypoint_motion_distance"] = np.array(distances)
    return Section(
        mode="keypoints",
        rows=tuple(Row(entrant.kind, entrant.seed) for entrant in entrants),
        values={"forecast_error": average_keypoint_distance(filled, keypoints).numpy()},
        mask=mask.numpy(),
        videos=videos,
        singles=singles,
    )


def image_section(result: ModeResult, mask: Tensor, videos: Sequence[Hashable]) -> Section:
    """Converts a mode's measurements, with the FVD of every row if I3D was run on the clips."""
    singles: dict[str, Values] = {}
    if result.features is not None and len(result.features) >= 2:
        reference = result.features[:, -1]
        distances = [
            fvd_of_features(reference, result.features[:, row]).value
            for row in range(len(result.rows))
        ]
        singles["fvd"] = np.array(distances, dtype=np.float64)
    return Section(
        mode=result.mode,
        rows=result.rows,
        values=result.values,
        mask=mask.numpy(),
        videos=videos,
        singles=singles,
    )
