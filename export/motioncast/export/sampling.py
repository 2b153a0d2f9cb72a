"""Random inputs for the parity check: anything a served model may receive, edge cases included."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from motioncast.export.parity import Arrays, Case
from motioncast.export.specification import ModelSpecification

Shape = tuple[int, ...]


def draw_inputs(specification: ModelSpecification, case: Case) -> Arrays:
    """Returns random inputs of one case by name, always the same for a given seed.

    Images are smooth with some noise; keypoints lie anywhere in their range. Keypoints at steps
    that are not observed are NaN, since a model must ignore them. Odd seeds start from the state of
    a session in progress, even seeds from that of a new session.
    """
    generator = np.random.default_rng(case.seed)
    inputs: Arrays = {
        tensor.name: _DRAW[tensor.name](generator, tensor.shape(case.batch, case.time))
        for tensor in specification.inputs
    }
    if "observed" in inputs:
        inputs["keypoints"][inputs["observed"] == 0] = np.nan
        if case.seed % 2 == 0:
            inputs["state"] = np.zeros_like(inputs["state"])
    return inputs


def _picture(generator: Generator, shape: Shape) -> NDArray[np.uint8]:
    """Draws images (B, S, S, 3) of smooth blobs, with black and white areas and some noise."""
    batch, size, _, channels = shape
    coarse = generator.uniform(-64, 320, (batch, 9, 9, channels))
    positions = np.linspace(0, 8, size)
    hats = np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(9)))  # (S, 9), linear
    smooth = np.einsum("yi,xj,bijc->byxc", hats, hats, coarse)
    noisy: NDArray[np.float64] = smooth + generator.normal(0, 3, shape)
    return noisy.clip(0, 255).astype(np.uint8)


def _keypoints(generator: Generator, shape: Shape) -> NDArray[np.float32]:
    return generator.uniform((-1, -1, 0), (1, 1, 1), shape).astype(np.float32)


def _flags(generator: Generator, shape: Shape) -> NDArray[np.float32]:
    return generator.integers(0, 2, shape).astype(np.float32)


def _noise(generator: Generator, shape: Shape) -> NDArray[np.float32]:
    return generator.standard_normal(shape, dtype=np.float32)


def _state(generator: Generator, shape: Shape) -> NDArray[np.float32]:
    """Draws states (B, S) of sessions in progress, some long after their last observed frame."""
    state = generator.uniform(0.01, 1, shape).astype(np.float32)
    state[:, -2] = generator.integers(1, 50, len(state))  # frames since the last observed one
    state[:, -1] = 1  # something has been seen
    return state


_DRAW: dict[str, Callable[[Generator, Shape], NDArray[np.uint8] | NDArray[np.float32]]] = {
    "image": _picture,
    "source_image": _picture,
    "keypoints": _keypoints,
    "source_keypoints": _keypoints,
    "driving_keypoints": _keypoints,
    "observed": _flags,
    "noise": _noise,
    "state": _state,
}
