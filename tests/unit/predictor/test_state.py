"""The predictor's state is transferred bit for bit."""

from __future__ import annotations

import numpy as np

from motioncast.inference import ModelSet
from motioncast.predictor.state import State, decode_state, encode_state, initial_vectors

MODELS = ModelSet(name="lite128", height=128, width=128, keypoints=16, noise_size=16, state=2)


def test_a_state_comes_back_as_it_was() -> None:
    vectors = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
    back = decode_state(encode_state(State(2**40, vectors), MODELS), MODELS)
    assert back.next_index == 2**40
    np.testing.assert_array_equal(back.vectors, vectors)
    assert back.vectors.dtype == np.float32


def test_vectors_are_little_endian_float32() -> None:
    message = encode_state(State(5, np.array([[1.0, -2.0]], np.float32)), MODELS)
    assert message.model == "lite128"
    assert message.next_index == 5
    assert list(message.vectors) == [bytes.fromhex("0000803f 000000c0")]


def test_a_timeline_starts_from_zeros() -> None:
    np.testing.assert_array_equal(initial_vectors(MODELS, 3), np.zeros((3, 2)))
