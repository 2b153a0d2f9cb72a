"""The real Triton serves the shipped repository as it is."""

from __future__ import annotations

import numpy as np
from support.triton_server import skip_without_triton

from motioncast.inference import ModelMetadata, OnnxRuntimeEngine, default_repository
from motioncast.inference.engine import Array
from motioncast.triton import TritonEngine, TritonSettings

_VARYING = 2  # length of every variable axis: batch and time


def _inputs(model: ModelMetadata, random: np.random.Generator) -> dict[str, Array]:
    inputs: dict[str, Array] = {}
    for tensor in model.inputs:
        shape = [_VARYING if isinstance(axis, str) else axis for axis in tensor.shape]
        if tensor.dtype == np.uint8:
            inputs[tensor.name] = random.integers(0, 256, shape, np.uint8)
        else:
            inputs[tensor.name] = random.uniform(0, 1, shape).astype(tensor.dtype)
    return inputs


async def test_triton_answers_as_the_engine_in_the_process_does() -> None:
    skip_without_triton()
    random = np.random.default_rng(0)
    async with (
        OnnxRuntimeEngine(default_repository()) as in_process,
        TritonEngine(TritonSettings(default_repository())) as on_triton,
    ):
        assert on_triton.triton.broken == {}
        assert on_triton.models() == in_process.models()
        for model in in_process.models():
            inputs = _inputs(in_process.metadata(model), random)
            expected = await in_process.infer(model, inputs)
            answer = await on_triton.infer(model, inputs)
            assert answer.outputs.keys() == expected.outputs.keys()
            for name, array in expected.outputs.items():
                if array.dtype == np.uint8:  # summation order differs between threads
                    difference = np.abs(answer[name].astype(int) - array)
                    assert difference.max() <= 1
                    assert np.mean(difference > 0) <= 0.002
                else:
                    np.testing.assert_allclose(answer[name], array, atol=1e-4)
