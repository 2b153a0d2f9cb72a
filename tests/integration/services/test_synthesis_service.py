"""SynthesisService returns the frames of the closed-form network in every encoding."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from support.model_services import ModelsServed, refusal, serving_models
from support.toy_models import image_with_points, toy_frame
from support.toy_sources import build_telling_repository, source_image, telling_colour

from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.synthesis_pb2 import FurtherSource, SynthesizeRequest
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.images import JPEG, PNG, RGB8, Encoding, decode_image, encode_image
from motioncast.wire.keypoints import Keypoints, encode_keypoints

_SOURCE = encode_image(image_with_points((1, 2), (3, 4)))
_POINTS = KeypointSet(x=[0, 0.5], y=[0, -0.5], intensity=[1, 0.5])


def random_driving(count: int) -> Keypoints:
    """Returns random keypoints (T, K, 3) within their ranges."""
    return np.random.default_rng(count).uniform(0, 1, (count, 2, 3)).astype(np.float32)


def request_for(driving: Keypoints, encoding: Encoding | None = None) -> SynthesizeRequest:
    return SynthesizeRequest(
        source=_SOURCE,
        source_keypoints=_POINTS,
        driving_keypoints=map(encode_keypoints, driving),
        output_encoding=encoding,
    )


# Up to 32 frames are one run of the model; more take several.
@pytest.mark.parametrize("count", [1, 32, 33, 256])
async def test_every_driving_keypoint_set_gets_its_frame_in_order(
    served: ModelsServed, count: int
) -> None:
    driving = random_driving(count)
    response = await served.synthesis.Synthesize(request_for(driving))
    images = [decode_image(image, 16, 16) for image in response.images]
    np.testing.assert_array_equal(images, [toy_frame(keypoints) for keypoints in driving])
    assert response.inference_ms > 0


@pytest.mark.parametrize(("encoding", "loss"), [(RGB8, 0), (PNG, 0), (JPEG, 3)])
async def test_frames_come_back_in_the_encoding_that_was_asked_for(
    served: ModelsServed, encoding: Encoding, loss: int
) -> None:
    driving = random_driving(3)
    response = await served.synthesis.Synthesize(request_for(driving, encoding))
    for image, keypoints in zip(response.images, driving, strict=True):
        assert (image.encoding, image.height, image.width) == (encoding, 16, 16)
        pixels = decode_image(image, 16, 16).astype(int)
        assert np.abs(pixels - toy_frame(keypoints)).max() <= loss


async def test_the_source_may_be_a_file(served: ModelsServed) -> None:
    request = request_for(random_driving(1))
    request.source.CopyFrom(encode_image(image_with_points((1, 2), (3, 4)), PNG))
    response = await served.synthesis.Synthesize(request)
    np.testing.assert_array_equal(
        decode_image(response.images[0], 16, 16), toy_frame(random_driving(1)[0])
    )


@pytest.fixture
async def telling(tmp_path: Path) -> AsyncIterator[ModelsServed]:
    """Serves models whose frames identify their source."""
    async with serving_models(build_telling_repository(tmp_path)) as served:
        yield served


# A run has up to 32 frames of one source; 100 frames of 3 sources take several runs of each.
@pytest.mark.parametrize("count", [1, 100])
async def test_each_frame_is_made_from_its_source(telling: ModelsServed, count: int) -> None:
    random = np.random.default_rng(count)
    driving, positions = random_driving(count), random.integers(0, 3, count).tolist()
    rest = random_driving(3)
    first, *further = (
        FurtherSource(image=encode_image(source_image(blue)), keypoints=encode_keypoints(keypoints))
        for blue, keypoints in zip((10, 110, 210), rest, strict=True)
    )
    response = await telling.synthesis.Synthesize(
        SynthesizeRequest(
            source=first.image,
            source_keypoints=first.keypoints,
            driving_keypoints=map(encode_keypoints, driving),
            further_sources=further,
            source_positions=positions,
        )
    )
    found = [decode_image(image, 16, 16)[0, 0].tolist() for image in response.images]
    expected = [
        telling_colour(one, rest[position], (10, 110, 210)[position])
        for one, position in zip(driving, positions, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1)  # half-way values may be rounded either way
    assert [blue for *_, blue in found] == [blue for *_, blue in expected]


async def test_without_positions_the_first_source_moves(telling: ModelsServed) -> None:
    request = request_for(random_driving(3))
    request.source.CopyFrom(encode_image(source_image(10)))
    request.further_sources.add(image=encode_image(source_image(110)), keypoints=_POINTS)
    response = await telling.synthesis.Synthesize(request)
    assert [decode_image(image, 16, 16)[0, 0, 2] for image in response.images] == [10] * 3


def _four_further(request: SynthesizeRequest) -> None:
    for _ in range(4):
        request.further_sources.add(image=_SOURCE, keypoints=_POINTS)


def _broken_further(request: SynthesizeRequest) -> None:
    request.further_sources.add(image=_SOURCE, keypoints=_POINTS)
    request.further_sources.add(image=encode_image(np.zeros((4, 4, 3), np.uint8)))


def _further_without_keypoints(request: SynthesizeRequest) -> None:
    request.further_sources.add(image=_SOURCE)


def _few_positions(request: SynthesizeRequest) -> None:
    request.source_positions.append(0)


def _far_position(request: SynthesizeRequest) -> None:
    request.further_sources.add(image=_SOURCE, keypoints=_POINTS)
    request.source_positions.extend([1, 2])


def _drop_source(request: SynthesizeRequest) -> None:
    request.ClearField("source")


def _shrink_source(request: SynthesizeRequest) -> None:
    request.source.CopyFrom(encode_image(np.zeros((4, 4, 3), np.uint8)))


def _drop_source_keypoints(request: SynthesizeRequest) -> None:
    request.ClearField("source_keypoints")


def _no_driving(request: SynthesizeRequest) -> None:
    request.ClearField("driving_keypoints")


def _too_much_driving(request: SynthesizeRequest) -> None:
    request.driving_keypoints.extend([_POINTS] * 255)


def _nan(request: SynthesizeRequest) -> None:
    request.driving_keypoints[1].y[0] = float("nan")


def _out_of_range(request: SynthesizeRequest) -> None:
    request.source_keypoints.x[1] = -1.5


def _too_many_points(request: SynthesizeRequest) -> None:
    request.driving_keypoints[0].intensity.append(1)


def _unknown_encoding(request: SynthesizeRequest) -> None:
    request.output_encoding = 7  # type: ignore[assignment]  # as from a newer client


def _broken_source(request: SynthesizeRequest) -> None:
    request.source.CopyFrom(Image(encoding=PNG, data=_SOURCE.data))


@pytest.mark.parametrize(
    ("spoil", "field", "problem"),
    [
        (_four_further, "further_sources", "4 exceeds the limit of 3"),
        (
            _broken_further,
            "further_sources[1].image",
            "4 x 4 pixels, but the model takes 16 x 16",
        ),
        (
            _further_without_keypoints,
            "further_sources[0].keypoints.x",
            "0 values, but the model has 2 keypoints",
        ),
        (_few_positions, "source_positions", "1 positions, but 2 driving keypoint sets"),
        (_far_position, "source_positions[1]", "2 exceeds the limit of 1"),
        (_drop_source, "source.data", "the image is empty"),
        (_shrink_source, "source", "4 x 4 pixels, but the model takes 16 x 16"),
        (_broken_source, "source.data", "not a readable PNG image"),
        (_drop_source_keypoints, "source_keypoints.x", "0 values, but the model has 2 keypoints"),
        (_out_of_range, "source_keypoints.x", "-1.5 is out of range [-1, 1]"),
        (_no_driving, "driving_keypoints", "0 is less than 1"),
        (_too_much_driving, "driving_keypoints", "257 exceeds the limit of 256"),
        (_nan, "driving_keypoints[1].y", "a value is not finite"),
        (
            _too_many_points,
            "driving_keypoints[0].intensity",
            "3 values, but the model has 2 keypoints",
        ),
        (_unknown_encoding, "output_encoding", "7 is not a known encoding"),
    ],
)
async def test_what_cannot_be_synthesised_is_refused(
    served: ModelsServed, spoil: Callable[[SynthesizeRequest], None], field: str, problem: str
) -> None:
    request = request_for(random_driving(2))
    spoil(request)
    error = await refusal(served.synthesis.Synthesize(request))
    assert isinstance(error, InvalidInputError)
    assert (error.field, str(error)) == (field, f"{field}: {problem}")
