from __future__ import annotations

import math
from typing import Any

import pytest

from motioncast.client import InvalidRequestError, Mode
from motioncast.client.options import encode_config
from motioncast.v1.common_pb2 import (
    FRAMING_MODE_FIXED,
    IMAGE_ENCODING_JPEG,
    IMAGE_ENCODING_RGB8,
)
from motioncast.v1.motion_transfer_pb2 import (
    TRANSFER_MODE_RECONSTRUCTION,
    TRANSFER_MODE_TRANSFER,
    StreamConfig,
)


def test_without_options_every_frame_is_sent_at_25_per_second() -> None:
    assert encode_config({}, Mode.RECONSTRUCTION) == StreamConfig(
        mode=TRANSFER_MODE_RECONSTRUCTION,
        relative_motion=False,
        observed_frames=1,
        predicted_frames=0,
        frame_rate=25.0,
        output_encoding=IMAGE_ENCODING_RGB8,
    )


def test_every_option_has_its_field() -> None:
    config = encode_config(
        {
            "observed": 1,
            "predicted": 27,
            "model": "lite128",
            "relative_motion": True,
            "frame_rate": 29.97,
            "frame_count": 300,
            "output": "jpeg",
            "seed": 0,
            "frame": "fixed",
        },
        Mode.TRANSFER,
    )
    assert config == StreamConfig(
        model="lite128",
        mode=TRANSFER_MODE_TRANSFER,
        relative_motion=True,
        observed_frames=1,
        predicted_frames=27,
        frame_rate=29.97,
        frame_count=300,
        output_encoding=IMAGE_ENCODING_JPEG,
        seed=0,
        frame=FRAMING_MODE_FIXED,
    )


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("observed", 0, "observed: 0 is below 1"),
        ("observed", 257, "observed: 257 exceeds the limit of 256"),
        ("observed", 2.5, "observed: 2.5 is not a whole number"),
        ("predicted", -1, "predicted: -1 is below 0"),
        ("predicted", 257, "predicted: 257 exceeds the limit of 256"),
        ("frame_rate", 0.0, "frame_rate: 0 is not in (0, 240]"),
        ("frame_rate", math.nan, "frame_rate: nan is not in (0, 240]"),
        ("frame_rate", 240.5, "frame_rate: 240.5 is not in (0, 240]"),
        ("frame_rate", "25", "frame_rate: '25' is not a number"),
        ("frame_count", 0, "frame_count: 0 is below 1"),
        ("output", "gif", "output: 'gif' is unknown (expected one of rgb8, jpeg, png, h264)"),
        ("seed", -1, "seed: -1 is below 0"),
        ("seed", 2**64, f"seed: {2**64} exceeds the limit of {2**64 - 1}"),
        ("model", 7, "model: 7 is not a string"),
        ("quality", 0, "quality: 0 is below 1"),
        ("quality", 101, "quality: 101 exceeds the limit of 100"),
        ("relative_motion", True, "relative_motion: requires a separate source image"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_limit(
    option: Any, value: object, sentence: str
) -> None:
    with pytest.raises(InvalidRequestError) as error:
        encode_config({option: value}, Mode.RECONSTRUCTION)  # type: ignore[misc]
    assert str(error.value) == sentence
    assert error.value.field == option


def test_an_option_that_does_not_exist_is_a_mistake_in_the_code() -> None:
    with pytest.raises(TypeError, match=r"^unknown option: observd, sede$"):
        encode_config({"observd": 5, "sede": 1}, Mode.RECONSTRUCTION)  # type: ignore[typeddict-unknown-key]
