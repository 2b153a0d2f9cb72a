"""Invalid requests are refused with the same kind of error wherever models run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.subjects import Subject
from support.toy_models import image_with_points

from motioncast.inference import TensorMetadata
from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.wire.errors import (
    ExhaustedError,
    InvalidInputError,
    UnavailableError,
    UnknownModelError,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

_IMAGE = image_with_points((3, 4), (5, 6))[np.newaxis]


def predictor_inputs(**changes: Any) -> dict[str, Any]:
    return {
        "keypoints": np.zeros((1, 3, 2, 3), np.float32),
        "observed": np.ones((1, 3), np.float32),
        "noise": np.zeros((1, 3, 2), np.float32),
        "state": np.zeros((1, 13), np.float32),
        **changes,
    }


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"picture": _IMAGE}, id="name"),
        pytest.param({}, id="missing"),
        pytest.param({"image": _IMAGE, "mask": _IMAGE}, id="one_too_many"),
        pytest.param({"image": _IMAGE.astype(np.float32)}, id="type"),
        pytest.param({"image": _IMAGE[0]}, id="axes"),
        pytest.param({"image": _IMAGE[:, :8]}, id="length"),
    ],
)
async def test_wrong_names_types_and_shapes_are_refused(
    subject: Subject, inputs: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError) as raised:
        await subject.engine.infer("toy_keypoint", inputs)
    assert "/" not in str(raised.value)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"state": np.zeros((2, 13), np.float32)}, id="batch"),
        pytest.param({"observed": np.ones((1, 2), np.float32)}, id="time"),
    ],
)
async def test_inputs_that_contradict_one_another_are_refused(
    subject: Subject, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError):
        await subject.engine.infer("toy_predictor", predictor_inputs(**changes))


async def test_after_a_refusal_the_model_runs_as_before(subject: Subject) -> None:
    with pytest.raises(InvalidInputError):
        await subject.engine.infer("toy_keypoint", {"image": _IMAGE[0]})
    assert (await subject.engine.infer("toy_keypoint", {"image": _IMAGE}))["keypoints"].any()


@pytest.mark.parametrize("name", ["toy", "../toy_keypoint", "toy_keypoint/1"])
async def test_an_unknown_model_is_told(subject: Subject, name: str) -> None:
    with pytest.raises(UnknownModelError):
        await subject.engine.infer(name, {"image": _IMAGE})


async def test_a_broken_model_is_refused_and_the_others_are_served(subject: Subject) -> None:
    assert "torn" not in subject.engine.models()
    assert "toy_keypoint" in subject.engine.models()
    with pytest.raises((UnavailableError, UnknownModelError)) as raised:
        await subject.engine.infer("torn", {"x": np.ones((1, 1), np.float32)})
    assert str(subject.repository) not in str(raised.value)
    await subject.engine.infer("toy_keypoint", {"image": _IMAGE})
    assert await subject.engine.ready()


@pytest.mark.parametrize("subject", ["in_process", "kserve", "triton"], indirect=True)
async def test_our_engines_describe_models_alike_but_for_the_names_of_axes(
    subject: Subject,
) -> None:
    def told(tensors: tuple[TensorMetadata, ...]) -> set[tuple[Any, ...]]:
        return {
            (each.name, each.dtype, *(axis if isinstance(axis, int) else -1 for axis in each.shape))
            for each in tensors
        }

    metadata = subject.engine.metadata("toy_predictor")
    floats = np.dtype(np.float32)
    assert told(metadata.inputs) == {
        ("keypoints", floats, -1, -1, 2, 3),
        ("observed", floats, -1, -1),
        ("noise", floats, -1, -1, 2),
        ("state", floats, -1, 13),
    }
    assert told(metadata.outputs) == {
        ("forecast", floats, -1, -1, 2, 3),
        ("half_width90", floats, -1, -1, 2, 3),
        ("next_state", floats, -1, 13),
    }
    with pytest.raises(UnknownModelError):
        subject.engine.metadata("toy")


@pytest.mark.parametrize("subject", ["kserve", "triton"], indirect=True)
@pytest.mark.parametrize(
    ("limit", "frames"),
    [
        pytest.param(700, 1, id="inputs"),  # the image alone takes 768 bytes
        pytest.param(1500, 2, id="outputs"),  # two images take 1536
    ],
)
async def test_messages_over_the_limit_are_refused_in_words(
    subject: Subject, limit: int, frames: int
) -> None:
    assert subject.address is not None
    inputs: dict[str, Any] = {
        "source_image": _IMAGE,
        "source_keypoints": np.zeros((1, 2, 3), np.float32),
        "driving_keypoints": np.zeros((1, frames, 2, 3), np.float32),
    }
    settings = KServeSettings(subject.address, max_message_bytes=limit, secret=subject.secret)
    async with KServeEngine(settings) as engine:
        with pytest.raises(ExhaustedError, match=rf"^message: .* exceed the limit of {limit}$"):
            await engine.infer("toy_synthesis", inputs)
    await subject.engine.infer("toy_synthesis", inputs)
