"""The real Triton on a repository with toy models, two misbehaving models and some broken ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from support.toy_configs import build_configured_repository, write_config
from support.toy_models import (
    image_with_points,
    keypoints_of_points,
    toy_frame,
    toy_rollout,
    write_model,
)
from support.triton_server import (
    ask,
    predictor_inputs,
    processor_seconds,
    skip_without_triton,
)
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from motioncast.triton import EmbeddedTriton, TritonSettings
from motioncast.triton.stubs import find_stubs

pytestmark = pytest.mark.asyncio(loop_scope="module")

_DOUBLER = "m (float[B, N] x) => (float[B, N] y) { y = Add(x, x) }"
# Fails if the index is not within 0 to 2.
_TABLE = """
m (int64[B, 1] index) => (float[B, 1] value) <float[3] table = {10, 20, 30}>
{ value = Gather(table, index) }
"""
# Loops as often as its input says.
_TURNS = """
m (int64[B, 1] turns) => (int64[B, 1] after)
<int64[1] axes = {0, 1}, bool yes = {1}>
{
    count = ReduceMax<keepdims = 0>(turns)
    after = Loop<
        body = turn (int64 i, bool go, int64[B, 1] before) => (bool go_on, int64[B, 1] next)
        { next = Identity(before) go_on = Identity(go) }
    >(count, yes, turns)
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triton(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedTriton]:
    skip_without_triton()
    async with EmbeddedTriton(
        TritonSettings(_repository(tmp_path_factory.mktemp("served")), drain_seconds=1)
    ) as triton:
        yield triton


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(triton: EmbeddedTriton) -> AsyncIterator[InferenceServerClient]:
    async with InferenceServerClient(triton.address) as client:
        yield client


def _repository(root: Path) -> Path:
    build_configured_repository(root)
    for name, text in (("doubler", _DOUBLER), ("table", _TABLE), ("turns", _TURNS)):
        write_model(root, name, text)
        write_config(root, name, queue_microseconds=50_000 if name != "turns" else 0)
    write_model(root, "unfit", _DOUBLER)
    write_config(root, "unfit")
    config = (root / "unfit" / "config.pbtxt").read_text()
    config = config.replace('name: "x" data_type: TYPE_FP32', 'name: "x" data_type: TYPE_INT32')
    (root / "unfit" / "config.pbtxt").write_text(config.replace("dims: [-1]", "dims: [2, 2]"))
    write_model(root, "unconfigured", _DOUBLER)
    write_model(root, "garbled", _DOUBLER)
    write_config(root, "garbled")
    (root / "garbled" / "1" / "model.onnx").write_bytes(b"no model")
    return root


async def test_answers_are_what_the_models_say_in_closed_form(
    client: InferenceServerClient,
) -> None:
    image = image_with_points((3, 5), (14, 2))
    found = (await ask(client, "toy_keypoint", image=image[None])).as_numpy("keypoints")[0]
    np.testing.assert_allclose(found, keypoints_of_points((3, 5), (14, 2)), atol=1e-6)

    timeline = np.linspace(0, 0.5, 24, dtype=np.float32).reshape(4, 2, 3)
    answer = await ask(client, "toy_predictor", **predictor_inputs(timeline))
    expected = toy_rollout(timeline, np.ones(4, np.bool_))
    np.testing.assert_allclose(answer.as_numpy("forecast")[0], expected, atol=1e-6)

    answer = await ask(
        client,
        "toy_synthesis",
        source_image=image[None],
        source_keypoints=found[None],
        driving_keypoints=timeline[None],
    )
    expected_frames = np.stack([toy_frame(keypoints) for keypoints in timeline])
    np.testing.assert_array_equal(answer.as_numpy("image")[0], expected_frames)


async def test_callers_whose_requests_are_joined_get_each_their_own_answer(
    client: InferenceServerClient,
) -> None:
    arrays = [np.full((1 + n % 2, 3), n, np.float32) for n in range(40)]
    answers = await asyncio.gather(*(ask(client, "doubler", x=array) for array in arrays))
    for array, answer in zip(arrays, answers, strict=True):
        np.testing.assert_array_equal(answer.as_numpy("y"), 2 * array)
    statistics = await client.get_inference_statistics("doubler")
    [entry] = statistics.model_stats
    assert entry.execution_count < entry.inference_stats.success.count


async def test_requests_of_different_shapes_are_answered_together(
    client: InferenceServerClient,
) -> None:
    arrays = [np.full((1, 1 + n % 3), n, np.float32) for n in range(12)]
    answers = await asyncio.gather(*(ask(client, "doubler", x=array) for array in arrays))
    for array, answer in zip(arrays, answers, strict=True):
        np.testing.assert_array_equal(answer.as_numpy("y"), 2 * array)


async def test_a_request_that_fails_fails_alone_and_tells_nothing_internal(
    client: InferenceServerClient,
) -> None:
    calls = [ask(client, "table", index=np.array([[n]], np.int64)) for n in (0, 7, 2)]
    first, wrong, last = await asyncio.gather(*calls, return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert not isinstance(last, BaseException)
    assert first.as_numpy("value") == [[10]]
    assert last.as_numpy("value") == [[30]]
    assert isinstance(wrong, InferenceServerException)
    assert wrong.status() == "StatusCode.INTERNAL"
    assert wrong.message() == "the run of table failed; see the server's log"


async def test_axes_that_contradict_one_another_are_told_by_name(
    client: InferenceServerClient,
) -> None:
    inputs = predictor_inputs(np.zeros((3, 2, 3), np.float32))
    inputs["observed"] = np.ones((1, 4), np.float32)
    with pytest.raises(InferenceServerException) as refused:
        await ask(client, "toy_predictor", **inputs)
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert refused.value.message() == "observed: T is 4, but 3 in keypoints"


async def test_a_run_ends_early_when_its_caller_has_given_up(
    triton: EmbeddedTriton, client: InferenceServerClient
) -> None:
    assert triton.pid is not None
    [process] = [stub.pid for stub in find_stubs(triton.pid) if stub.model == "turns"]
    before = processor_seconds(process)
    endless = asyncio.create_task(ask(client, "turns", turns=np.array([[10**15]], np.int64)))
    while processor_seconds(process) < before + 0.2:  # only the run uses CPU time
        await client.is_server_live()
    endless.cancel()
    answer = await ask(client, "turns", turns=np.array([[1]], np.int64))
    assert answer.as_numpy("after") == [[1]]


async def test_broken_models_are_named_and_the_others_served(
    triton: EmbeddedTriton, client: InferenceServerClient
) -> None:
    assert triton.broken == {
        "garbled": "ONNX Runtime cannot load its model.onnx",
        "unconfigured": "it has no config.pbtxt; `motioncast export` writes one",
        "unfit": "the config does not match the model: input x is TYPE_INT32, but "
        "tensor(float) in the model; input x has dims [-1, 2, 2], but [-1, -1] in the model; "
        "output y has dims [-1, 2, 2], but [-1, -1] in the model",
    }
    assert triton.ready
    assert await client.is_model_ready("doubler")
    assert not await client.is_model_ready("unfit")
