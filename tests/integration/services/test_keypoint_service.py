"""KeypointService finds centroids with the closed-form detector, and refuses invalid images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.model_services import ModelsServed, refusal, serving_models
from support.toy_models import build_toy_repository, image_with_points, keypoints_of_points

from motioncast.v1.common_pb2 import FRAMING_MODE_OFF, Image, ModelInfo
from motioncast.v1.keypoint_pb2 import DetectRequest, ListModelsRequest, ListModelsResponse
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.images import JPEG, PNG, RGB8, encode_image
from motioncast.wire.keypoints import decode_keypoint_sets

_POINTS = [((0, 0), (15, 15)), ((5, 2), (9, 12)), ((7, 7), None)]
_IMAGE = encode_image(image_with_points((1, 2), (3, 4)))


async def test_each_image_gets_the_keypoints_that_are_in_it(served: ModelsServed) -> None:
    images = [encode_image(image_with_points(red, green)) for red, green in _POINTS]
    response = await served.keypoint.Detect(DetectRequest(images=images))
    expected = np.stack([keypoints_of_points(red, green) for red, green in _POINTS])
    found = decode_keypoint_sets(response.keypoints, 2, "keypoints")
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert response.inference_ms > 0


async def test_png_is_read_exactly_and_may_be_mixed_with_raw_pixels(served: ModelsServed) -> None:
    images = [
        encode_image(image_with_points(red, green), encoding)
        for (red, green), encoding in zip(_POINTS, (PNG, RGB8, PNG), strict=True)
    ]
    response = await served.keypoint.Detect(DetectRequest(model="toy", images=images))
    expected = np.stack([keypoints_of_points(red, green) for red, green in _POINTS])
    found = decode_keypoint_sets(response.keypoints, 2, "keypoints")
    np.testing.assert_allclose(found, expected, atol=1e-6)


async def test_jpeg_is_read_but_for_its_losses(served: ModelsServed) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, 8:] = 255
    response = await served.keypoint.Detect(DetectRequest(images=[encode_image(pixels, JPEG)]))
    found = decode_keypoint_sets(response.keypoints, 2, "keypoints")
    # The centre of columns 8 to 15 (of 0 to 15); half of the pixels are white.
    np.testing.assert_allclose(found[0], [[2 * 11.5 / 15 - 1, 0, 0.5]] * 2, atol=0.01)


async def test_as_many_images_as_the_limit_allows_are_taken(served: ModelsServed) -> None:
    response = await served.keypoint.Detect(DetectRequest(images=[_IMAGE] * 64))
    assert len(response.keypoints) == 64


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([], "images: 0 is less than 1"),
        ([_IMAGE] * 65, "images: 65 exceeds the limit of 64"),
        ([_IMAGE, Image(height=16, width=16)], "images[1].data: the image is empty"),
        (
            [Image(height=16, width=16, data=bytes(100))],
            "images[0].data: 100 bytes, but 16 x 16 RGB pixels take 768",
        ),
        (
            [encode_image(np.zeros((8, 32, 3), np.uint8))],
            "images[0]: 32 x 8 pixels, but the model takes 16 x 16",
        ),
        (
            [encode_image(np.zeros((8, 32, 3), np.uint8), PNG)],
            "images[0]: 32 x 8 pixels, but the model takes 16 x 16",
        ),
        ([Image(encoding=JPEG, data=b"no")], "images[0].data: not a readable JPEG image"),
        (
            [_IMAGE, Image(encoding=9, data=b"no")],  # type: ignore[arg-type]  # as from a newer client
            "images[1].encoding: 9 is not a known encoding",
        ),
    ],
)
async def test_what_is_no_image_of_the_model_is_refused(
    served: ModelsServed, images: list[Image], sentence: str
) -> None:
    error = await refusal(served.keypoint.Detect(DetectRequest(images=images)))
    assert isinstance(error, InvalidInputError)
    assert str(error) == sentence
    assert error.field == re.split(r":", sentence)[0]


async def test_the_models_are_listed_with_their_geometry_the_default_first(
    tmp_path: Path,
) -> None:
    for name in ("alpha", "beta"):
        build_toy_repository(tmp_path, name)

    def info(name: str) -> Any:
        return ModelInfo(name=name, height=16, width=16, keypoints=2, framing=FRAMING_MODE_OFF)

    async with serving_models(tmp_path, default_model="beta") as served:
        response = await served.keypoint.ListModels(ListModelsRequest())
    models = [info("beta"), info("alpha")]
    assert response == ListModelsResponse(models=models, default_model="beta")
