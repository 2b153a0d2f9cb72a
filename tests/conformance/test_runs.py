"""Runs return the values of the models' closed forms, and each caller gets its own."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.subjects import Subject
from support.toy_models import image_with_points, keypoints_of_points, toy_frame, toy_rollout

pytestmark = pytest.mark.asyncio(loop_scope="session")

_TIMELINE = np.linspace(0, 0.5, 24, dtype=np.float32).reshape(4, 2, 3)


def timeline_inputs(keypoints: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Returns the toy predictor's inputs for a fully observed timeline (T, 2, 3)."""
    steps = len(keypoints)
    return {
        "keypoints": keypoints[np.newaxis],
        "observed": np.ones((1, steps), np.float32),
        "noise": np.zeros((1, steps, 2), np.float32),
        "state": np.zeros((1, 13), np.float32),
    }


async def test_keypoints_are_the_centroids_of_a_batch(subject: Subject) -> None:
    points = [((3, 5), (14, 2)), ((0, 0), (15, 15)), ((7, 8), (1, 9))]
    images = np.stack([image_with_points(*pair) for pair in points])
    run = await subject.engine.infer("toy_keypoint", {"image": images})
    expected = np.stack([keypoints_of_points(*pair) for pair in points])
    assert run["keypoints"].dtype == np.float32
    np.testing.assert_allclose(run["keypoints"], expected, atol=1e-6)
    assert run.seconds > 0


async def test_a_forecast_is_the_rollout_and_goes_on_from_its_state(subject: Subject) -> None:
    inputs = timeline_inputs(_TIMELINE)
    whole = await subject.engine.infer("toy_predictor", inputs)
    expected = toy_rollout(_TIMELINE, np.ones(4, np.bool_))
    np.testing.assert_allclose(whole["forecast"][0], expected, atol=1e-6)
    first = await subject.engine.infer("toy_predictor", timeline_inputs(_TIMELINE[:3]))
    rest = timeline_inputs(_TIMELINE[3:]) | {"state": first["next_state"]}
    last = await subject.engine.infer("toy_predictor", rest)
    np.testing.assert_allclose(last["forecast"][0], expected[3:], atol=1e-6)
    np.testing.assert_allclose(last["next_state"], whole["next_state"], atol=1e-6)


async def test_frames_have_the_colour_of_their_keypoints(subject: Subject) -> None:
    inputs: dict[str, Any] = {
        "source_image": image_with_points((3, 4), (5, 6))[np.newaxis],
        "source_keypoints": keypoints_of_points((3, 4), (5, 6))[np.newaxis],
        "driving_keypoints": _TIMELINE[np.newaxis],
    }
    run = await subject.engine.infer("toy_synthesis", inputs)
    assert run["image"].dtype == np.uint8
    np.testing.assert_array_equal(run["image"][0], [toy_frame(each) for each in _TIMELINE])


async def test_an_input_that_is_a_view_is_sent_as_it_looks(subject: Subject) -> None:
    image = image_with_points((3, 4), (5, 6))
    flipped = image[np.newaxis, ::-1]  # not contiguous
    run = await subject.engine.infer("toy_keypoint", {"image": flipped})
    expected = keypoints_of_points((3, 11), (5, 9))
    np.testing.assert_allclose(run["keypoints"][0], expected, atol=1e-6)


async def test_many_callers_at_once_each_get_their_own_answer(subject: Subject) -> None:
    async def ask(n: int) -> None:
        image = np.stack([image_with_points((n % 16, n // 16), (3, k)) for k in range(1 + n % 3)])
        run = await subject.engine.infer("toy_keypoint", {"image": image})
        expected = [keypoints_of_points((n % 16, n // 16), (3, k)) for k in range(1 + n % 3)]
        np.testing.assert_allclose(run["keypoints"], expected, atol=1e-6)

    await asyncio.gather(*map(ask, range(100)))


async def test_callers_with_inputs_of_different_lengths_are_served_together(
    subject: Subject,
) -> None:
    async def ask(n: int) -> None:
        steps = 1 + n % 5
        keypoints = np.linspace(0, n / 100, steps * 6, dtype=np.float32).reshape(steps, 2, 3)
        run = await subject.engine.infer("toy_predictor", timeline_inputs(keypoints))
        expected = toy_rollout(keypoints, np.ones(steps, np.bool_))
        np.testing.assert_allclose(run["forecast"][0], expected, atol=1e-6)

    await asyncio.gather(*map(ask, range(50)))


async def test_an_ensemble_gives_what_its_models_give_one_after_the_other(
    subject: Subject,
) -> None:
    async def ask(n: int) -> None:
        x = np.full((1 + n % 3, 2), n, np.float32)
        run = await subject.engine.infer("four", {"x": x})
        np.testing.assert_array_equal(run["y"], 4 * x)

    await asyncio.gather(*map(ask, range(30)))
