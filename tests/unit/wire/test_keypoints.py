"""Keypoints are transferred unchanged; values out of range are refused with their field."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from motioncast.v1.common_pb2 import KeypointSet
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import (
    Keypoints,
    check_keypoints,
    decode_keypoint_sets,
    decode_keypoints,
    encode_keypoints,
)

_UNIT = st.floats(0, 1, width=32)


@given(
    st.integers(1, 20).flatmap(lambda count: arrays.arrays(np.float32, (count, 3), elements=_UNIT))
)
def test_keypoints_come_back_as_they_were(keypoints: Keypoints) -> None:
    decoded = decode_keypoints(encode_keypoints(keypoints), len(keypoints))
    np.testing.assert_array_equal(decoded, keypoints)
    assert decoded.dtype == np.float32
    assert decoded.flags.c_contiguous


def test_the_three_lists_are_the_three_columns() -> None:
    message = encode_keypoints(np.array([[-1, 0.5, 0.25], [1, -0.5, 0.75]], np.float32))
    assert message == KeypointSet(x=[-1, 1], y=[0.5, -0.5], intensity=[0.25, 0.75])


def test_sets_are_stacked_in_order() -> None:
    sets = np.random.default_rng(0).uniform(0, 1, (4, 3, 3)).astype(np.float32)
    decoded = decode_keypoint_sets([encode_keypoints(one) for one in sets], 3, "driving")
    np.testing.assert_array_equal(decoded, sets)


def test_no_sets_are_an_empty_stack() -> None:
    assert decode_keypoint_sets([], 16, "driving").shape == (0, 16, 3)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (KeypointSet(), r"^keypoints\.x: 0 values, but the model has 1 keypoints$"),
        (KeypointSet(x=[0, 0], y=[0], intensity=[0]), r"^keypoints\.x: 2 values, but the model"),
        (KeypointSet(x=[0], y=[], intensity=[0]), r"^keypoints\.y: 0 values, but the model"),
        (KeypointSet(x=[0], y=[0], intensity=[0, 0]), r"^keypoints\.intensity: 2 values, but"),
        (KeypointSet(x=[1.1], y=[0], intensity=[0]), r"^keypoints\.x: 1\.1 is out of range \[-1"),
        (KeypointSet(x=[0], y=[-2], intensity=[0]), r"^keypoints\.y: -2 is out of range \[-1, 1"),
        (KeypointSet(x=[0], y=[0], intensity=[-0.1]), r"^keypoints\.intensity: -0\.1 is out of "),
        (KeypointSet(x=[0], y=[0], intensity=[2]), r"^keypoints\.intensity: 2 is out of range "),
        (KeypointSet(x=[float("inf")], y=[0], intensity=[0]), r"^keypoints\.x: a value is not f"),
        (KeypointSet(x=[0], y=[float("nan")], intensity=[0]), r"^keypoints\.y: a value is not f"),
    ],
)
def test_what_is_no_keypoint_is_refused_with_its_field(message: KeypointSet, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence) as got:
        decode_keypoints(message, 1)
    assert got.value.field == str(got.value).split(":")[0]


def test_the_set_that_is_wrong_is_named() -> None:
    good = KeypointSet(x=[0], y=[0], intensity=[1])
    bad = KeypointSet(x=[0], y=[3], intensity=[1])
    with pytest.raises(InvalidInputError, match=r"^driving\[2\]\.y: 3 is out of range \[-1, 1\]$"):
        decode_keypoint_sets([good, good, bad], 1, "driving")


def test_a_rounding_error_past_the_border_is_forgiven() -> None:
    check_keypoints(np.array([[1.0005, -1.0005, 1.0005]], np.float32))
    with pytest.raises(InvalidInputError):
        check_keypoints(np.array([[1.002, 0, 0]], np.float32))


def test_the_value_that_is_furthest_out_is_told() -> None:
    keypoints = np.array([[1.5, 0, 0], [-3, 0, 0], [2, 0, 0]], np.float32)
    with pytest.raises(InvalidInputError, match=r"^keypoints\.x: -3 is out of range"):
        check_keypoints(keypoints)
