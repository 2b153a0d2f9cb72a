"""The glue models between the networks rearrange keypoints without changing them."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from motioncast.export.glue import GlueModel, arrange, path, sequence
from motioncast.wire.keypoints import check_keypoints

KEYPOINTS = 2


def run(glue: GlueModel, **inputs: Any) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # exceptions are enough
    session = onnxruntime.InferenceSession(
        glue.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (output,) = session.run(None, {name: np.asarray(one) for name, one in inputs.items()})
    return output  # type: ignore[no-any-return]  # the runtime has no types


def sets(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    low, high = (-1, -1, 0), (1, 1, 1)
    return generator.uniform(low, high, (*shape, KEYPOINTS, 3)).astype(np.float32)


def mask(text: str) -> NDArray[np.float32]:
    """Returns (T,) flags from one letter per frame: O is observed, others are not."""
    return np.array([letter == "O" for letter in text], np.float32)


def test_a_sequence_of_frames_is_one_sessions_timeline() -> None:
    keypoints = sets(3)
    np.testing.assert_array_equal(
        run(sequence("a", KEYPOINTS), keypoints=keypoints), keypoints[np.newaxis]
    )


@pytest.mark.parametrize("pattern", ["OOO", "OPP", "PPO", "POPOOP"])
def test_each_observed_frame_stands_in_its_place(pattern: str) -> None:
    observed = mask(pattern)
    keypoints = sets(pattern.count("O"))
    expected = np.zeros((len(pattern), KEYPOINTS, 3), np.float32)
    expected[observed > 0] = keypoints
    timeline = run(arrange("a", KEYPOINTS), keypoints=keypoints, observed=observed[np.newaxis])
    np.testing.assert_array_equal(timeline, expected[np.newaxis])


def test_more_observed_frames_than_keypoints_fail() -> None:
    glue = arrange("a", KEYPOINTS)
    with pytest.raises(Exception, match="out of data bounds"):
        run(glue, keypoints=sets(1), observed=mask("OPO")[np.newaxis])


def test_a_frame_is_driven_by_what_was_observed_or_else_by_the_forecast_within_range() -> None:
    observed = np.stack([mask("OPO"), mask("PPO")])
    keypoints, forecast = sets(2, 3), 1.5 * sets(2, 3, seed=1)
    keypoints[observed == 0] = np.nan  # these values must be ignored
    driving = run(path("a", KEYPOINTS), keypoints=keypoints, observed=observed, forecast=forecast)
    check_keypoints(driving)
    within = np.clip(forecast, np.array([-1, -1, 0], np.float32), np.array([1, 1, 1], np.float32))
    assert (within != forecast).any()
    seen = observed[..., np.newaxis, np.newaxis] > 0
    np.testing.assert_array_equal(driving, np.where(seen, keypoints, within))


def test_a_glue_model_says_what_it_is_and_takes_any_name() -> None:
    glue = path("my-face", KEYPOINTS)
    assert glue.specification.name == glue.model.graph.name == "my-face_path"
