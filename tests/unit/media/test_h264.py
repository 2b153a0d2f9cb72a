"""A live H.264 stream outputs every picture at once, and any player can read it."""

from __future__ import annotations

import io
from contextlib import suppress

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from hypothesis import given, settings
from hypothesis import strategies as st

from motioncast.framing import Picture
from motioncast.media import MediaError
from motioncast.media.h264 import KEY_EVERY_FRAMES, H264Decoder, H264Encoder


def moving(frames: int, height: int = 48, width: int = 64) -> list[Picture]:
    """Returns a smooth pattern moving by one pixel per frame."""
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin((x + t) / 9)[..., None] * [90, 60, 30] + np.cos(y / 7)[..., None] * 20
        for t in range(frames)
    ]
    return [(wave + 128).astype(np.uint8) for wave in waves]


def psnr(one: Picture, other: Picture) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (256, 256)])
def test_each_picture_comes_out_at_once_and_looks_the_same(height: int, width: int) -> None:
    encoder, decoder = H264Encoder(height, width, 20), H264Decoder(height, width)
    for number, picture in enumerate(moving(20, height, width)):
        unit = encoder.encode(picture)
        assert unit.key == (number == 0)
        shown = decoder.decode(unit.data)
        assert shown.shape == picture.shape
        assert psnr(shown, picture) > 36


def test_whoever_has_a_key_picture_can_begin_there() -> None:
    encoder = H264Encoder(48, 64, 30)
    units = [encoder.encode(picture) for picture in moving(KEY_EVERY_FRAMES + 3)]
    assert [number for number, unit in enumerate(units) if unit.key] == [0, KEY_EVERY_FRAMES]
    first, late = H264Decoder(48, 64), H264Decoder(48, 64)
    shown = [first.decode(unit.data) for unit in units]
    for unit, expected in zip(units[KEY_EVERY_FRAMES:], shown[KEY_EVERY_FRAMES:], strict=True):
        np.testing.assert_array_equal(late.decode(unit.data), expected)


def test_an_ordinary_player_reads_the_stream_and_finds_no_picture_out_of_order() -> None:
    encoder = H264Encoder(48, 64, 20)
    pictures = moving(12)
    stream = io.BytesIO(b"".join(encoder.encode(picture).data for picture in pictures))
    with av.open(stream, "r", format="h264") as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 12
    assert all(frame.pict_type in (PictureType.I, PictureType.P) for frame in frames)
    for frame, picture in zip(frames, pictures, strict=True):
        assert (
            psnr(frame.to_ndarray(format="rgb24").astype(np.uint8), picture) > 25
        )  # allows for colour conversion


def test_a_lower_factor_is_better_and_longer() -> None:
    sizes, qualities = [], []
    noise = np.random.default_rng(0).integers(0, 40, (12, 48, 64, 3))
    pictures = [(p // 2 + n).astype(np.uint8) for p, n in zip(moving(12), noise, strict=True)]
    for crf in (15, 25, 35):
        encoder, decoder = H264Encoder(48, 64, crf), H264Decoder(48, 64)
        units = [encoder.encode(picture).data for picture in pictures]
        sizes.append(sum(map(len, units)))
        shown = [decoder.decode(unit) for unit in units]
        qualities.append(np.mean([psnr(a, b) for a, b in zip(shown, pictures, strict=True)]))
    assert sizes == sorted(sizes, reverse=True)
    assert qualities == sorted(qualities, reverse=True)


def test_pictures_of_another_size_are_refused_at_both_ends() -> None:
    encoder = H264Encoder(48, 64, 20)
    with pytest.raises(MediaError, match="shape"):
        encoder.encode(np.zeros((64, 48, 3), np.uint8))
    unit = encoder.encode(np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(MediaError, match="64 x 48 pixels, expected 128 x 128"):
        H264Decoder(128, 128).decode(unit.data)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32 - 1))
def test_any_bytes_decode_or_are_refused(garbage: bytes, seed: int) -> None:
    encoder, decoder = H264Encoder(48, 64, 30), H264Decoder(48, 64)
    random = np.random.default_rng(seed)
    for picture in moving(3):
        data = bytearray(encoder.encode(picture).data)
        data[random.integers(len(data))] ^= 1 << random.integers(8)
        for given_bytes in (bytes(data), garbage):
            with suppress(MediaError):
                assert decoder.decode(given_bytes).shape == (48, 64, 3)
