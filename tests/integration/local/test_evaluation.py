"""Evaluations of a repository measure the same frames as its services return."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from motioncast.client import Frame, Origin, Pixels, connect
from motioncast.client.video import read_video
from motioncast.evaluate.original import Original
from motioncast.evaluate.pipelines import RepositoryPipeline
from motioncast.evaluate.reconstruction import reconstruct
from motioncast.inference import default_repository
from motioncast.local import LocalServices, LocalSettings
from motioncast.timeline.pattern import Pattern

CLIP = Path(__file__).parents[3] / "clients/motioncast/cli/assets/grid_sbwu5s.mp4"


async def streamed(frames: list[Pixels], pattern: Pattern) -> list[Frame]:
    """Returns the result of the frames from all services in this process, over gRPC."""
    settings = LocalSettings(default_repository())
    async with LocalServices(settings) as local, connect(local.target) as service:
        stream = service.stream(
            frames, model="lite128", observed=pattern.observed, predicted=pattern.predicted
        )
        return [frame async for frame in stream]


@pytest.mark.parametrize("pattern", [Pattern(1, 1), Pattern(5, 5)], ids=str)
def test_an_evaluation_measures_the_frames_that_a_stream_returns(pattern: Pattern) -> None:
    with read_video(CLIP, 128, limit=13) as video:
        frames = list(video.frames)

    returned = asyncio.run(streamed(frames, pattern))
    with RepositoryPipeline(default_repository(), "lite128") as pipeline:
        original = Original(CLIP.name, np.stack(frames))
        _, measured = reconstruct(pipeline, original, [pattern])[pattern]

    assert {frame.origin for frame in returned} == {Origin.OBSERVED, Origin.PREDICTED}
    # Batch sizes affect the last bits of floats: rarely one level, never more.
    difference = np.abs(np.stack([frame.image for frame in returned]).astype(int) - measured)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
