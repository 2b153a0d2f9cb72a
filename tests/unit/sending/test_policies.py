"""A gate sends a frame exactly if the receiver's forecast is off by more than the bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from motioncast.sending import EveryFrame, Gate, Keypoints, Policy, Regular
from motioncast.timeline.pattern import Pattern

PIXEL = 2 / 255  # of an image of 256, in keypoint units


def still(x_pixels: float = 0.0, keypoint: int = 0) -> Keypoints:
    keypoints = np.zeros((2, 3), np.float32)
    keypoints[keypoint, 0] = x_pixels * PIXEL
    return keypoints


def sent(policy: Policy, frames: list[Keypoints]) -> list[int]:
    """Returns the frames sent over a lossless link."""
    found = []
    for index, keypoints in enumerate(frames):
        sends = policy.sends(index, keypoints)
        policy.settle(index, keypoints if sends else None)
        found += [index] if sends else []
    return found


def test_every_frame_and_a_pattern_send_what_they_say() -> None:
    frames = [still()] * 6
    assert sent(EveryFrame(), frames) == [0, 1, 2, 3, 4, 5]
    assert sent(Regular(Pattern(1, 2)), frames) == [0, 3]


def test_a_frame_is_sent_once_the_motion_since_the_last_one_passes_the_bound() -> None:
    frames = [still(0.4 * index) for index in range(8)]  # 0.4 pixels each
    assert sent(Gate(1.0), frames) == [0, 3, 6]


def test_the_largest_error_decides_and_not_the_mean() -> None:
    assert sent(Gate(1.0), [still(), still(1.01)]) == [0, 1]  # 0.505 pixels on average
    assert sent(Gate(1.0), [still(), still(0.99)]) == [0]


def test_a_keypoint_that_weighs_half_may_err_twice_as_much() -> None:
    weights = (3.0, 1.5)
    assert sent(Gate(1.0, weights), [still(), still(1.1, 0)]) == [0, 1]
    assert sent(Gate(1.0, weights), [still(), still(1.9, 1)]) == [0]
    assert sent(Gate(1.0, weights), [still(), still(2.1, 1)]) == [0, 1]


def test_what_stands_still_is_sent_at_the_heartbeat() -> None:
    assert sent(Gate(1.0, heartbeat_frames=4), [still()] * 10) == [0, 4, 8]


def test_the_forecast_is_from_what_was_decoded_and_not_from_what_was_meant() -> None:
    gate = Gate(1.0)
    assert gate.sends(0, still(0.0))
    gate.settle(0, still(0.6))  # the codec's error
    assert not gate.sends(1, still(1.5))
    gate.settle(1, None)
    assert gate.sends(2, still(-0.5))


class Steady:
    """Extrapolates the last two received frames linearly."""

    def begin(self) -> Any:
        return ()

    def forecast(self, state: Any) -> Keypoints | None:
        if len(state) < 2:
            return state[-1] if state else None
        return 2 * state[-1] - state[-2]  # type: ignore[no-any-return]

    def after(self, state: Any, keypoints: Keypoints | None) -> Any:
        forecast = self.forecast(state)
        return (*state[-1:], forecast if keypoints is None else keypoints)


def test_a_forecaster_that_knows_the_motion_needs_no_frames() -> None:
    frames = [still(5.0 * index) for index in range(20)]
    assert sent(Gate(1.0, heartbeat_frames=100, forecaster=Steady()), frames) == [0, 1]
    assert sent(Gate(1.0), frames) == list(range(20))


def test_frames_that_nobody_has_pass_for_the_forecaster_too() -> None:
    gate = Gate(1.0, heartbeat_frames=100, forecaster=Steady())
    for index in (0, 1):
        assert gate.sends(index, still(5.0 * index))
        gate.settle(index, still(5.0 * index))
    assert not gate.sends(7, still(35.0))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"bound_pixels": 0.0}, "expected more than 0"),
        ({"heartbeat_frames": 253}, "expected 1 to 252"),
        ({"weights": (0.0, 0.0)}, "weights"),
        ({"weights": (1.0, -1.0)}, "weights"),
    ],
)
def test_a_gate_that_cannot_be_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Gate(**arguments)
