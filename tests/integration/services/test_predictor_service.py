"""PredictorService advances the closed-form recurrence, whose values are all known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from support.model_services import ModelsServed
from support.toy_models import NOISE_SCALE, toy_path, toy_rollout

from motioncast.v1.predictor_pb2 import ObservedFrame, PredictRequest
from motioncast.wire.keypoints import (
    Keypoints,
    decode_keypoint_sets,
    decode_keypoints,
    encode_keypoints,
)

_STATE_BYTES = 13 * 4


def path(length: int) -> Keypoints:
    """Returns a timeline (T, K, 3) whose keypoints and forecasts stay within their ranges."""
    return np.random.default_rng(length).uniform(0.3, 0.5, (length, 2, 3)).astype(np.float32)


def observe(keypoints: Keypoints, indices: Sequence[int]) -> list[ObservedFrame]:
    """Returns the frames of a timeline at some indices."""
    return [
        ObservedFrame(index=index, keypoints=encode_keypoints(keypoints[index]))
        for index in indices
    ]


def forecasts(response: Any) -> dict[int, Keypoints]:
    """Returns the forecast keypoints (samples, K, 3) by index."""
    return {
        frame.index: decode_keypoint_sets(frame.samples, 2, "samples")
        for frame in response.predicted
    }


async def test_two_frames_are_extrapolated_linearly(served: ModelsServed) -> None:
    keypoints = path(2)
    request = PredictRequest(observed=observe(keypoints, [0, 1]), horizon=1)
    response = await served.predictor.Predict(request)
    assert list(forecasts(response)) == [2]
    expected = 2 * keypoints[1] - keypoints[0]
    np.testing.assert_allclose(forecasts(response)[2][0], expected, atol=1e-6)
    assert response.inference_ms > 0


@pytest.mark.parametrize("first", [0, 1000])
async def test_gaps_and_horizon_are_forecast_free_running(served: ModelsServed, first: int) -> None:
    keypoints, indices = path(12), [0, 1, 4, 5, 8]
    observed = [
        ObservedFrame(index=first + frame.index, keypoints=frame.keypoints)
        for frame in observe(keypoints, indices)
    ]
    response = await served.predictor.Predict(PredictRequest(observed=observed, horizon=3))
    expected = toy_path(keypoints, np.isin(np.arange(12), indices))
    got = forecasts(response)
    assert list(got) == [first + index for index in (2, 3, 6, 7, 9, 10, 11)]
    for index, samples in got.items():
        np.testing.assert_allclose(samples[0], expected[index - first], atol=1e-5)
    assert response.state.next_index == first + 12


async def test_the_state_carries_the_timeline_on_however_it_is_cut_into_calls(
    served: ModelsServed,
) -> None:
    keypoints, indices = path(20), [0, 1, 2, 7, 8, 12, 13, 14]
    cuts = [0, 1, 3, 5, 9, 12, 16, 20]
    for seed in (None, 5):
        whole = await served.predictor.Predict(
            PredictRequest(observed=observe(keypoints, indices), horizon=5, seed=seed)
        )
        parts: dict[int, Keypoints] = {}
        errors: list[float] = []
        state = None
        for start, end in pairwise(cuts):
            here = [index for index in indices if start <= index < end]
            request = PredictRequest(
                observed=observe(keypoints, here),
                horizon=end - (here[-1] + 1 if here else start),
                state=state,
                seed=seed,
            )
            response = await served.predictor.Predict(request)
            state = response.state
            assert state.next_index == end
            parts |= forecasts(response)
            errors += response.observed_error
        assert parts.keys() == forecasts(whole).keys()
        for index, samples in forecasts(whole).items():
            np.testing.assert_array_equal(parts[index], samples)
        assert errors == list(whole.observed_error)
        assert state == whole.state


async def test_observed_errors_are_the_distances_to_the_forecasts(served: ModelsServed) -> None:
    keypoints, indices = path(8), [0, 1, 2, 5, 7]
    request = PredictRequest(observed=observe(keypoints, indices))
    response = await served.predictor.Predict(request)
    expected = np.clip(toy_rollout(keypoints, np.isin(np.arange(8), indices)), [-1, -1, 0], 1)
    offsets = (keypoints - expected)[indices, :, :2]
    distances = np.sqrt((offsets**2).sum(axis=-1)).mean(axis=-1)
    assert response.observed_error[0] == 0  # the first frame of a timeline has no forecast
    np.testing.assert_allclose(response.observed_error[1:], distances[1:], atol=1e-6)


async def test_a_forecast_past_the_border_stops_there(served: ModelsServed) -> None:
    keypoints = np.array([[[0.8, -0.8, 0.9]] * 2, [[0.9, -0.95, 1.0]] * 2], np.float32)
    request = PredictRequest(observed=observe(keypoints, [0, 1]), horizon=4)
    response = await served.predictor.Predict(request)
    last = forecasts(response)[5][0]
    np.testing.assert_array_equal(last, [[1, -1, 1]] * 2)


async def test_a_call_that_asks_for_nothing_keeps_the_state(served: ModelsServed) -> None:
    first = await served.predictor.Predict(PredictRequest(observed=observe(path(3), [0, 1, 2])))
    assert not first.predicted
    again = await served.predictor.Predict(PredictRequest(state=first.state))
    assert again.state == first.state
    assert not again.predicted
    assert not again.observed_error
    assert again.inference_ms == 0


async def test_without_a_seed_there_is_one_path_the_mean_with_no_spread(
    served: ModelsServed,
) -> None:
    request = PredictRequest(observed=observe(path(3), [0, 1, 2]), horizon=3)
    response = await served.predictor.Predict(request)
    for frame in response.predicted:
        assert len(frame.samples) == 1
        np.testing.assert_array_equal(decode_keypoints(frame.spread, 2), np.zeros((2, 3)))


async def test_a_forecast_states_the_model_s_90_percent_interval(served: ModelsServed) -> None:
    keypoints = path(4)
    request = PredictRequest(observed=observe(keypoints, [0, 1, 3]), horizon=2)
    response = await served.predictor.Predict(request)
    stated = {frame.index: decode_keypoints(frame.half_width90, 2) for frame in response.predicted}
    linear = 2 * keypoints[1] - keypoints[0]  # forecast of frame 2 with the velocity from 0 to 1
    np.testing.assert_allclose(stated[2], np.abs(keypoints[1] - keypoints[0]), atol=1e-6)
    for index in (4, 5):
        np.testing.assert_allclose(stated[index], np.abs(keypoints[3] - linear), atol=1e-6)


async def test_an_interval_that_the_model_does_not_state_is_absent(served: ModelsServed) -> None:
    request = PredictRequest(observed=observe(path(1), [0]), horizon=2)
    response = await served.predictor.Predict(request)
    assert [frame.HasField("half_width90") for frame in response.predicted] == [False, False]


async def test_a_seed_draws_the_same_paths_on_every_replica(
    served: ModelsServed,
) -> None:
    def request(seed: int, samples: int) -> PredictRequest:
        observed = observe(path(3), [0, 1, 2])
        return PredictRequest(observed=observed, horizon=4, seed=seed, samples=samples)

    first, again = [await served.predictor.Predict(request(7, 3)) for _ in range(2)]
    other = await served.predictor.Predict(request(8, 3))
    more = await served.predictor.Predict(request(7, 5))
    assert (first.predicted, first.state) == (again.predicted, again.state)
    assert first.predicted != other.predicted
    for index, samples in forecasts(first).items():
        np.testing.assert_array_equal(forecasts(more)[index][:3], samples)


async def test_spread_is_the_standard_deviation_over_the_paths(served: ModelsServed) -> None:
    observed = observe(path(3), [0, 1, 2])
    response = await served.predictor.Predict(
        PredictRequest(observed=observed, horizon=3, seed=1, samples=32)
    )
    for frame in response.predicted:
        samples = decode_keypoint_sets(frame.samples, 2, "samples")
        spread = decode_keypoints(frame.spread, 2)
        expected = np.sqrt(((samples - samples.mean(axis=0)) ** 2).mean(axis=0))
        np.testing.assert_allclose(spread, expected, atol=1e-6)
    # x of the first step is the mean path's plus 0.01 times a standard normal value, 32 samples.
    first = decode_keypoints(response.predicted[0].spread, 2)
    assert first[:, 0].min() > 0.5 * NOISE_SCALE
    assert first[:, 0].max() < 1.6 * NOISE_SCALE
    np.testing.assert_allclose(first[:, 1:], 0, atol=1e-6)


async def test_paths_go_on_with_the_number_that_the_state_was_made_with(
    served: ModelsServed,
) -> None:
    first = await served.predictor.Predict(
        PredictRequest(observed=observe(path(2), [0, 1]), seed=1, samples=4)
    )
    then = await served.predictor.Predict(PredictRequest(state=first.state, horizon=2, seed=1))
    assert [len(frame.samples) for frame in then.predicted] == [4, 4]


async def test_the_limits_of_the_contract_are_served(served: ModelsServed) -> None:
    keypoints = path(256)
    response = await served.predictor.Predict(
        PredictRequest(observed=observe(keypoints, range(256)), horizon=256, seed=0, samples=32)
    )
    assert len(response.predicted) == 256
    assert len(response.state.vectors) == 32
