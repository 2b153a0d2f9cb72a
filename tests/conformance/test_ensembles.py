"""The exported ensembles compute the same as their chained models, on every engine."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.subjects import Subject
from support.toy_ensembles import toy_frames
from support.toy_models import (
    HEIGHT,
    KEYPOINTS,
    LATENT,
    STATE,
    WIDTH,
    image_with_points,
    keypoints_of_points,
    toy_path,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCE: dict[str, Any] = {
    "source_image": np.zeros((1, HEIGHT, WIDTH, 3), np.uint8),
    "source_keypoints": np.zeros((1, KEYPOINTS, 3), np.float32),
}
PATTERNS = ["OOOPP", "OPOPO", "OOO", "OPPPPPOO"]


def moving(start: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Returns the positions of the red and green points in three frames."""
    return [((start + t, 3 + t), (9, 9 - 2 * t)) for t in range(3)]


def frames(start: int) -> NDArray[np.uint8]:
    return np.stack([image_with_points(*one) for one in moving(start)])


def keypoints(start: int) -> NDArray[np.float32]:
    return np.stack([keypoints_of_points(*one) for one in moving(start)])


def stretch(start: int, pattern: str) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Returns a predictor's inputs for a stretch, and the expected path (T, K, 3)."""
    observed = np.array([letter == "O" for letter in pattern])
    timeline = np.zeros((len(pattern), KEYPOINTS, 3), np.float32)
    timeline[observed] = keypoints(start)
    inputs = {
        "observed": observed.astype(np.float32)[np.newaxis],
        "noise": np.zeros((1, len(pattern), LATENT), np.float32),
        "state": np.zeros((1, STATE), np.float32),
        "keypoints": timeline[np.newaxis],
    }
    return inputs, toy_path(timeline, observed)


def check(run: Any, path: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(run["driving_keypoints"], path[np.newaxis], atol=1e-6)
    difference = run["image"][0].astype(int) - toy_frames(path)
    assert np.abs(difference).max() <= 1  # a value half way between two levels


async def test_frames_are_reconstructed(subject: Subject) -> None:
    run = await subject.engine.infer("toy_reconstruct", {"frames": frames(2), **SOURCE})
    check(run, keypoints(2))


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_observed_frames_become_the_whole_stretch(subject: Subject, pattern: str) -> None:
    inputs, path = stretch(2, pattern)
    check(await subject.engine.infer("toy_forecast", inputs | SOURCE), path)
    del inputs["keypoints"]
    sent = {"frames": frames(2), **inputs, **SOURCE}
    run = await subject.engine.infer("toy_motion_transfer", sent)
    check(run, path)
    np.testing.assert_allclose(run["next_state"][0, :6], path[-1].reshape(-1), atol=1e-6)


async def test_sessions_at_once_each_get_their_own(subject: Subject) -> None:
    async def transfer(start: int) -> None:
        inputs, path = stretch(start, PATTERNS[start % len(PATTERNS)])
        del inputs["keypoints"]
        sent = {"frames": frames(start), **inputs, **SOURCE}
        check(await subject.engine.infer("toy_motion_transfer", sent), path)

    await asyncio.gather(*(transfer(start) for start in range(12)))
