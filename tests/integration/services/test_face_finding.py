"""KeypointService finds the faces in images of any size, with the closed-form finder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from support.model_services import ModelsServed, refusal, serving_models
from support.toy_finder import picture_with_faces, write_toy_finder
from support.toy_models import build_toy_repository

from motioncast.v1.common_pb2 import FRAMING_MODE_AUTO, FRAMING_MODE_FIXED, FRAMING_MODE_OFF, Image
from motioncast.v1.keypoint_pb2 import Face, FindFacesRequest, ListModelsRequest
from motioncast.wire.errors import InvalidInputError, UnknownModelError
from motioncast.wire.images import JPEG, PNG, RGB8, encode_image

_BOX = (100, 60, 148, 120)
_FACE = encode_image(picture_with_faces(320, 240, _BOX))


def _write_wish(root: Path, configuration: str, text: str) -> None:
    wish = f'parameters {{ key: "framing" value {{ string_value: "{text}" }} }}\n'
    (root / f"{configuration}_keypoint" / "config.pbtxt").write_text(wish)


@pytest.fixture
async def finding(tmp_path: Path) -> AsyncIterator[ModelsServed]:
    for name, wish in (("a", "auto"), ("b", "fixed"), ("c", "wide")):
        build_toy_repository(tmp_path, name)
        _write_wish(tmp_path, name, wish)
    build_toy_repository(tmp_path)
    write_toy_finder(tmp_path)
    async with serving_models(tmp_path) as served:
        yield served


def _edges(face: Face) -> list[float]:
    return [face.left, face.top, face.right, face.bottom]


async def test_each_image_gets_its_faces_in_its_own_pixels(finding: ModelsServed) -> None:
    images = [
        encode_image(picture_with_faces(320, 240, _BOX, (200, 60, 232, 100))),
        encode_image(picture_with_faces(192, 96, (40, 20, 72, 60)), PNG),
        encode_image(picture_with_faces(50, 200)),
        encode_image(picture_with_faces(640, 480, tuple(2 * n for n in _BOX)), JPEG),  # type: ignore[arg-type]
    ]
    response = await finding.keypoint.FindFaces(FindFacesRequest(images=images))
    first, second, third, fourth = (one.faces for one in response.images)
    assert [face.score for face in first] == pytest.approx([0.9, 0.8])
    np.testing.assert_allclose(_edges(first[0]), _BOX, atol=1.7)  # one pixel of the finder's square
    np.testing.assert_allclose(_edges(first[1]), [200, 60, 232, 100], atol=1.7)
    np.testing.assert_allclose(_edges(second[0]), [40, 20, 72, 60], atol=0.01)
    assert list(third) == []
    np.testing.assert_allclose(_edges(fourth[0]), [200, 120, 296, 240], atol=3.4)
    assert response.inference_ms > 0


@pytest.mark.parametrize(
    ("image", "field", "sentence"),
    [
        (Image(), "images[1].data", "the image is empty"),
        (Image(encoding=PNG, data=b"no image"), "images[1].data", "not a readable PNG image"),
        (
            encode_image(np.zeros((15, 400, 3), np.uint8), PNG),
            "images[1]",
            "400 x 15 pixels, but each side must be 16 to 4096",
        ),
        (
            encode_image(np.zeros((4096, 2049, 3), np.uint8), PNG),
            "images[1]",
            "2049 x 4096 pixels exceed the limit of 8388608",
        ),
        (
            Image(encoding=RGB8, height=100, width=2**31, data=b"123"),
            "images[1]",
            "2147483648 x 100 pixels, but each side must be 16 to 4096",
        ),
    ],
)
async def test_what_is_no_picture_is_refused(
    finding: ModelsServed, image: Image, field: str, sentence: str
) -> None:
    request = FindFacesRequest(images=[_FACE, image])
    error = await refusal(finding.keypoint.FindFaces(request))
    assert isinstance(error, InvalidInputError)
    assert error.field == field
    assert sentence in str(error)


@pytest.mark.parametrize("count", [0, 65])
async def test_the_number_of_images_has_a_limit(finding: ModelsServed, count: int) -> None:
    request = FindFacesRequest(images=[_FACE] * count)
    error = await refusal(finding.keypoint.FindFaces(request))
    assert (type(error), error.field) == (InvalidInputError, "images")


async def test_without_a_finder_there_is_none(served: ModelsServed) -> None:
    error = await refusal(served.keypoint.FindFaces(FindFacesRequest(images=[_FACE])))
    assert isinstance(error, UnknownModelError)
    assert "no face_finder is served" in str(error)


async def test_models_say_how_they_want_to_be_framed(finding: ModelsServed) -> None:
    response = await finding.keypoint.ListModels(ListModelsRequest())
    wishes = {model.name: model.framing for model in response.models}
    assert wishes == {
        "a": FRAMING_MODE_AUTO,
        "b": FRAMING_MODE_FIXED,
        "c": FRAMING_MODE_OFF,  # its setting is not a known mode
        "toy": FRAMING_MODE_OFF,
    }


async def test_where_no_finder_is_served_no_model_wants_to_be_framed(tmp_path: Path) -> None:
    build_toy_repository(tmp_path)
    _write_wish(tmp_path, "toy", "auto")
    async with serving_models(tmp_path) as served:
        response = await served.keypoint.ListModels(ListModelsRequest())
    assert [model.framing for model in response.models] == [FRAMING_MODE_OFF]
