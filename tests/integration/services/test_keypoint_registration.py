"""Detect registers keypoints with a source, for a model that can."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import resources
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.model_services import ModelsServed, refusal, serving_models
from support.toy_models import keypoints_of_points
from support.toy_registration import build_registering_repository, toy_registered
from support.toy_sources import build_telling_repository, source_image

from motioncast.client.video import read_video
from motioncast.inference import OnnxRuntimeEngine, default_repository
from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.keypoint_pb2 import DetectRequest, ListModelsRequest
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.images import PNG, encode_image
from motioncast.wire.keypoints import decode_keypoint_sets, encode_keypoints

_SOURCE = encode_image(source_image(200, (3, 12)))
_SOURCE_KEYPOINTS = keypoints_of_points((3, 12), (4, 4))
_SET = encode_keypoints(_SOURCE_KEYPOINTS)
_POINTS = [(10, (0, 2), (5, 5)), (90, (7, 6), (1, 1)), (250, (14, 15), (8, 2))]
_IMAGES = [encode_image(source_image(blue, red, green)) for blue, red, green in _POINTS]
_SHORT = KeypointSet(x=[0], y=[0, 0], intensity=[0, 0])
_SMALL = encode_image(np.zeros((8, 8, 3), np.uint8))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ModelsServed]:
    async with serving_models(build_registering_repository(tmp_path)) as served:
        yield served


async def found(served: ModelsServed, request: DetectRequest) -> NDArray[np.float32]:
    response = await served.keypoint.Detect(request)
    return decode_keypoint_sets(response.keypoints, 2, "keypoints")


async def test_the_keypoints_of_each_image_are_registered_with_the_source(
    served: ModelsServed,
) -> None:
    expected = [
        toy_registered(keypoints_of_points(red, green), blue, _SOURCE_KEYPOINTS, 200)
        for blue, red, green in _POINTS
    ]
    request = DetectRequest(images=_IMAGES, source=_SOURCE, source_keypoints=_SET)
    np.testing.assert_allclose(await found(served, request), expected, atol=1e-5)


async def test_a_source_may_be_a_file(served: ModelsServed) -> None:
    raw = DetectRequest(images=_IMAGES, source=_SOURCE, source_keypoints=_SET)
    file = encode_image(source_image(200, (3, 12)), PNG)
    png = DetectRequest(images=_IMAGES, source=file, source_keypoints=_SET)
    np.testing.assert_array_equal(await found(served, png), await found(served, raw))


async def test_without_a_source_each_image_is_looked_at_alone(served: ModelsServed) -> None:
    expected = [keypoints_of_points(red, green) for _, red, green in _POINTS]
    got = await found(served, DetectRequest(images=_IMAGES))
    np.testing.assert_allclose(got, expected, atol=1e-6)


async def test_both_runs_count_as_inference(served: ModelsServed) -> None:
    request = DetectRequest(images=_IMAGES, source=_SOURCE, source_keypoints=_SET)
    response = await served.keypoint.Detect(request)
    seconds = [
        served.metric("motioncast_inference_seconds_sum", model=f"toy_{part}")
        for part in ("keypoint", "registration")
    ]
    assert response.inference_ms == pytest.approx(1000 * sum(one or 0.0 for one in seconds))
    assert all(seconds)


async def test_a_source_fits_besides_as_many_images_as_the_limit_allows(
    served: ModelsServed,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    image = encode_image(noise, PNG)
    request = DetectRequest(images=[image] * 64, source=image, source_keypoints=_SET)
    assert (await found(served, request)).shape == (64, 2, 3)


async def test_the_list_of_models_tells_which_can_register(
    served: ModelsServed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    without = build_telling_repository(tmp_path_factory.mktemp("without"))
    async with serving_models(without) as others:
        for one, registers in ((served, True), (others, False)):
            response = await one.keypoint.ListModels(ListModelsRequest())
            assert [(model.name, model.registers) for model in response.models] == [
                ("toy", registers)
            ]


@pytest.mark.parametrize(
    ("source", "keypoints", "sentence"),
    [
        (_SOURCE, None, "source_keypoints: missing; required with source"),
        (None, _SET, "source: missing; required with source_keypoints"),
        (_SMALL, _SET, "source: 8 x 8 pixels, but the model takes 16 x 16"),
        (Image(height=16, width=16), _SET, "source.data: the image is empty"),
        (_SOURCE, _SHORT, "source_keypoints.x: 1 values, but the model has 2 keypoints"),
    ],
)
async def test_what_is_no_source_is_refused(
    served: ModelsServed, source: Image | None, keypoints: KeypointSet | None, sentence: str
) -> None:
    request = DetectRequest(images=_IMAGES, source=source, source_keypoints=keypoints)
    error = await refusal(served.keypoint.Detect(request))
    assert isinstance(error, InvalidInputError)
    assert str(error) == sentence
    assert error.field == sentence.partition(":")[0]


@pytest.mark.parametrize("field", ["source", "source_keypoints"])
async def test_a_model_that_cannot_register_refuses_a_source(tmp_path: Path, field: str) -> None:
    request = DetectRequest(images=_IMAGES)
    if field == "source":
        request.source.CopyFrom(_SOURCE)
    request.source_keypoints.CopyFrom(_SET)
    async with serving_models(build_telling_repository(tmp_path)) as served:
        error = await refusal(served.keypoint.Detect(request))
    assert isinstance(error, InvalidInputError)
    assert str(error) == f"{field}: toy cannot register keypoints"


async def test_the_shipped_face_models_answer_as_their_two_models_run_by_hand() -> None:
    clip = Path(str(resources.files("motioncast.cli").joinpath("assets/grid_sbwu5s.mp4")))
    with read_video(clip, 256) as video:
        frames = list(islice(video.frames, 12))
    source, driving = frames[0][np.newaxis], np.stack(frames[6::5])
    async with OnnxRuntimeEngine(default_repository()) as engine:
        rest = (await engine.infer("face256_keypoint", {"image": source}))["keypoints"]
        alone = (await engine.infer("face256_keypoint", {"image": driving}))["keypoints"]
        inputs = {
            "source_image": source,
            "source_keypoints": rest,
            "image": driving,
            "keypoints": alone,
        }
        expected = (await engine.infer("face256_registration", inputs))["registered"]
    request = DetectRequest(
        model="face256",
        images=[encode_image(one) for one in driving],
        source=encode_image(source[0]),
        source_keypoints=encode_keypoints(rest[0]),
    )
    async with serving_models(default_repository()) as served:
        response = await served.keypoint.Detect(request)
    got = decode_keypoint_sets(response.keypoints, 80, "keypoints")
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_array_equal(got[:, :70], alone[:, :70])  # anchored
    assert (got[:, 70:, :2] != alone[:, 70:, :2]).any()
