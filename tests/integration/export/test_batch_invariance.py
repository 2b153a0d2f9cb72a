"""A shipped network's results do not depend on what else is in its batch, or on its threads.

This is what makes a session that goes on at another replica, in other batches, the same bit for
bit. Real frames are needed: sums in another order differ in the last bit of one frame in fifty.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from motioncast.client.video import read_video

REPOSITORY = Path(__file__).parents[3] / "model_repository"
NAMES = ("face256", "lite128", "lite128_bridge")
FRAMES = 30  # the clip's 24th frame showed it for lite128
BATCHES = (1, 2, 3, 10)


def session(name: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        REPOSITORY / name / "1" / "model.onnx", options, providers=["CPUExecutionProvider"]
    )


@cache
def frames(size: int) -> NDArray[np.uint8]:
    asset = resources.files("motioncast.cli").joinpath("assets/grid_sbwu5s.mp4")
    with resources.as_file(asset) as clip, read_video(clip, size, limit=FRAMES) as video:
        return np.stack(list(video.frames))


def size_of(name: str) -> int:
    return 256 if name.endswith("256") else 128


def keypoints(name: str, threads: int, batch: int) -> NDArray[np.float32]:
    run, images = session(f"{name}_keypoint", threads), frames(size_of(name))
    parts = [images[at : at + batch] for at in range(0, FRAMES, batch)]
    return np.concatenate([run.run(["keypoints"], {"image": part})[0] for part in parts])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_keypoints_of_a_frame_do_not_depend_on_its_batch(name: str, threads: int) -> None:
    alone = keypoints(name, 1, 1)
    for batch in BATCHES:
        assert keypoints(name, threads, batch).tobytes() == alone.tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_registered_keypoints_of_a_frame_do_not_depend_on_its_batch(threads: int) -> None:
    images, found = frames(256), keypoints("face256", 1, 10)

    def registered(threads: int, batch: int) -> bytes:
        run = session("face256_registration", threads)
        source = {"source_image": images[:1], "source_keypoints": found[:1]}
        somes = [slice(at, at + batch) for at in range(0, FRAMES, batch)]
        parts = [{**source, "image": images[one], "keypoints": found[one]} for one in somes]
        return np.concatenate([run.run(["registered"], part)[0] for part in parts]).tobytes()

    alone = registered(1, 1)
    for batch in BATCHES:
        assert registered(threads, batch) == alone


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_does_not_depend_on_its_batch(name: str) -> None:
    source, driving = frames(size_of(name))[:1], keypoints(name, 1, 10)[:12]

    def pictures(threads: int, batch: int) -> bytes:
        run = session(f"{name}_synthesis", threads)
        given = {"source_image": source, "source_keypoints": driving[:1]}
        parts = [driving[None, at : at + batch] for at in range(0, len(driving), batch)]
        made = [run.run(["image"], {**given, "driving_keypoints": part})[0][0] for part in parts]
        return np.concatenate(made).tobytes()

    alone = pictures(1, 1)
    assert pictures(1, 6) == alone
    assert pictures(2, 5) == alone


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_forecast_does_not_depend_on_its_batch_or_group(name: str, threads: int) -> None:
    tracks = np.stack([np.roll(keypoints(name, 1, 10)[:12], shift, 0) for shift in range(3)])
    observed = np.tile((np.arange(12) % 3 == 0).astype(np.float32), (3, 1))

    def forecasts(threads: int, batch: int, group: int) -> bytes:
        run = session(f"{name}_predictor", threads)
        shapes = {one.name: one.shape for one in run.get_inputs()}
        noise = np.random.default_rng(0).normal(size=(3, 12, shapes["noise"][2]))
        made = []
        for first in range(0, 3, batch):
            some = slice(first, first + batch)
            state = np.zeros((batch, shapes["state"][1]), np.float32)
            for at in range(0, 12, group):
                now = slice(at, at + group)
                given = {
                    "keypoints": tracks[some, now],
                    "observed": observed[some, now],
                    "noise": noise[some, now].astype(np.float32),
                    "state": state,
                }
                forecast, state = run.run(["forecast", "next_state"], given)
                made.append((first, at, forecast))
        result = np.empty_like(tracks)
        for first, at, forecast in made:
            result[first : first + batch, at : at + group] = forecast
        return result.tobytes()

    assert forecasts(threads, 3, 12) == forecasts(1, 1, 1)
    assert forecasts(threads, 1, 4) == forecasts(1, 1, 1)
