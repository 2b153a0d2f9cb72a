"""`motioncast send` and `stream --send keypoints` send keypoints registered with the source."""

from __future__ import annotations

import asyncio
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import PIL.Image
import pytest
from numpy.typing import NDArray
from support.codec_tables import add_tables, plain_tables
from support.command_line import FRAMES, clip_frames, clip_keypoints
from support.toy_models import build_toy_repository
from support.toy_registration import toy_registered, write_registration

from motioncast.cli.cast import CastFrame, CastOptions
from motioncast.cli.job import StreamJob
from motioncast.cli.passing import pass_through
from motioncast.cli.progress import progress_bars
from motioncast.cli.sending import SendJob, send_video
from motioncast.client import FramingMode, Origin, ReceivedFrame, ReceiverModels, Service, connect
from motioncast.client.device import KeypointDetector
from motioncast.client.framing import DeviceFraming, FaceFinder
from motioncast.client.video import read_video
from motioncast.inference import default_repository
from motioncast.local import LocalServices, LocalSettings

FOUND = clip_keypoints()  # (T, 2, 3), in each frame alone
CODED = 0.02  # more than what coding changes
SHIPPED = default_repository()
INTERVIEW_FRAMES = 6
ANCHORED = 70  # of face256


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy models with registration and codec tables."""
    repository = build_toy_repository(tmp_path_factory.mktemp("registered"))
    add_tables(repository, plain_tables(2))
    write_registration(repository)
    return repository


def registered(source: int) -> NDArray[np.float32]:
    """Returns the clip's keypoints, registered with one of its frames; there is no blue in any."""
    return np.stack([toy_registered(each, 0, FOUND[source], 0) for each in FOUND])


async def streamed(
    clip: Path, repository: Path, folder: Path, **options: Any
) -> tuple[CastFrame, ...]:
    job = {one: options.pop(one) for one in ("sources", "gather") if one in options}
    asked = CastOptions(keypoints="floats", **options)
    with progress_bars(quiet=True) as stages:
        whole = StreamJob(clip, folder, asked, send="keypoints", models=repository, **job)
        return (await pass_through(whole, folder, stages)).cast.frames


def keypoints(frames: Any) -> NDArray[np.float32]:
    return np.stack([frame.keypoints for frame in frames])


async def test_a_stream_of_keypoints_is_registered_with_its_first_frame(
    clip: Path, repository: Path, tmp_path: Path
) -> None:
    frames = await streamed(clip, repository, tmp_path)
    np.testing.assert_allclose(keypoints(frames), registered(0), atol=1e-6)


async def test_in_relative_motion_nothing_is_registered(
    clip: Path, repository: Path, tmp_path: Path
) -> None:
    PIL.Image.fromarray(clip_frames()[4]).save(tmp_path / "other.png")
    options = {"sources": [tmp_path / "other.png"], "relative_motion": True}
    frames = await streamed(clip, repository, tmp_path, **options)
    np.testing.assert_allclose(keypoints(frames), FOUND, atol=1e-6)


async def test_another_source_is_the_one_that_frames_are_registered_with(
    clip: Path, repository: Path, tmp_path: Path
) -> None:
    PIL.Image.fromarray(clip_frames()[4]).save(tmp_path / "other.png")
    frames = await streamed(clip, repository, tmp_path, sources=[tmp_path / "other.png"])
    np.testing.assert_allclose(keypoints(frames), registered(4), atol=1e-6)


async def test_what_a_gate_lets_through_is_registered(
    clip: Path, repository: Path, tmp_path: Path
) -> None:
    frames = await streamed(clip, repository, tmp_path, gate_pixels=20)  # more than one column
    observed = [frame for frame in frames if frame.origin is Origin.OBSERVED]
    assert 1 < len(observed) < FRAMES
    at = [frame.index for frame in observed]
    np.testing.assert_allclose(keypoints(observed), registered(0)[at], atol=1e-6)


async def received(service: Service, job: SendJob, models: ReceiverModels) -> list[ReceivedFrame]:
    """Returns what a receiver makes of a sent video."""
    door: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    async def watch() -> list[ReceivedFrame]:
        async with service.watch(*await door) as watching:
            return [frame async for frame in watching.frames(models)]

    with progress_bars(quiet=True) as stages:
        sending = send_video(job, stages, lambda room, token: door.set_result((room, token)))
        _, frames = await asyncio.gather(sending, watch())
    return frames


@pytest.mark.parametrize(("relative", "expected"), [(False, registered(4)), (True, FOUND)])
async def test_a_receiver_gets_registered_keypoints_unless_motion_is_relative(
    clip: Path,
    repository: Path,
    tmp_path: Path,
    relative: bool,
    expected: NDArray[np.float32],
) -> None:
    PIL.Image.fromarray(clip_frames()[4]).save(tmp_path / "other.png")
    models = ReceiverModels.of(repository, "toy", threads=1)
    settings = LocalSettings(repository=repository, drain_grace_seconds=0.5)
    async with LocalServices(settings) as local, connect(local.target) as service:
        job = SendJob(
            clip,
            local.target,
            models=repository,
            sources=(tmp_path / "other.png",),
            relative_motion=relative,
        )
        frames = await received(service, job, models)
    assert [frame.origin for frame in frames] == [Origin.OBSERVED] * FRAMES
    np.testing.assert_allclose(keypoints(frames), expected, atol=CODED)


async def test_a_face_is_sent_as_its_registration_model_says() -> None:
    models = ReceiverModels.of(SHIPPED, "face256", threads=1)
    asset = resources.files("motioncast.cli").joinpath("assets/interview.mp4")
    settings = LocalSettings(repository=SHIPPED, drain_grace_seconds=0.5, silence_seconds=600)
    with resources.as_file(asset) as path:
        found, aligned = of_interview(path)
        async with LocalServices(settings) as local, connect(local.target) as service:
            job = SendJob(
                path,
                local.target,
                "face256",
                SHIPPED,
                frame=FramingMode.FIXED,
                limit=INTERVIEW_FRAMES,
                coarseness=0,  # so that coding changes less than registration does
            )
            sent = keypoints(await received(service, job, models))
    own = np.s_[1:, ANCHORED:, :2]
    difference = error(found[own], aligned[own])
    assert error(sent[own], aligned[own]) < difference / 2
    assert error(sent[own], found[own]) > difference / 2


def error(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Returns the root mean square of the difference."""
    return float(np.sqrt(np.square(one - other).mean()))


def of_interview(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the keypoints (T, K, 3) of the video's first frames, as found and registered."""
    detector = KeypointDetector(SHIPPED / "face256_keypoint" / "1" / "model.onnx", threads=1)
    finder = FaceFinder(SHIPPED / "face_finder" / "1" / "model.onnx", threads=1)
    with read_video(path, None, limit=INTERVIEW_FRAMES) as video:
        framing = DeviceFraming(finder, "fixed", 256, frame_rate=video.frame_rate)
        pictures = list(video.frames)
    source = framing.begin(pictures[0]).image
    images = np.stack([framing.frame(t, one).image for t, one in enumerate(pictures)])
    found = detector.detect(images)
    registration = onnxruntime.InferenceSession(
        SHIPPED / "face256_registration" / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    given = {
        "source_image": source[None],
        "source_keypoints": detector.detect(source[None]),
        "image": images,
        "keypoints": found,
    }
    return found, registration.run(["registered"], given)[0]
