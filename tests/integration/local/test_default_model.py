"""Users who name no model get face256 with its default framing."""

from __future__ import annotations

from importlib import resources

import numpy as np

from motioncast.client import Origin, connect
from motioncast.client.device import KeypointDetector
from motioncast.client.framing import DeviceFraming, FaceFinder
from motioncast.client.video import read_video
from motioncast.inference import default_repository
from motioncast.local import LocalServices, LocalSettings

SIZE = 256


async def test_a_video_is_framed_and_comes_back_by_frames_and_by_keypoints() -> None:
    file = resources.files("motioncast.cli").joinpath("assets/interview.mp4")
    with resources.as_file(file) as path, read_video(path, None) as video:
        pictures = list(video.frames)[::20]
    models = default_repository()
    finder = FaceFinder(models / "face_finder" / "1" / "model.onnx", threads=1)
    keypoint, registration = (
        models / f"face256_{part}" / "1" / "model.onnx" for part in ("keypoint", "registration")
    )
    detector = KeypointDetector(keypoint, registration, threads=1)
    framing = DeviceFraming(finder, "fixed", SIZE)
    source = framing.begin(pictures[0]).image
    async with (
        LocalServices(LocalSettings(drain_grace_seconds=0.5)) as local,
        connect(local.target) as service,
    ):
        info = await service.server_info(timeout=30)
        served = service.stream(pictures, frame="fixed", observed=2, predicted=1)
        by_frames = [frame async for frame in served]
        found = detector.observed(pictures, 2, 1, framing, source=source)
        sent = service.stream_keypoints(found, source=source, observed=2, predicted=1)
        by_keypoints = [frame async for frame in sent]
    assert info.models[0].name == "face256"
    assert [frame.origin for frame in by_frames] == [Origin.OBSERVED] * 2 + [Origin.PREDICTED] + [
        Origin.OBSERVED
    ] * 2 + [Origin.PREDICTED]
    for mine, theirs in zip(by_keypoints, by_frames, strict=True):
        assert theirs.image.shape == (SIZE, SIZE, 3)
        assert (mine.crop, mine.origin) == (theirs.crop, theirs.origin)
        np.testing.assert_allclose(mine.keypoints, theirs.keypoints, atol=1e-3)
        assert np.abs(mine.image.astype(int) - theirs.image).mean() < 0.5
