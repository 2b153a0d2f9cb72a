"""Images are transferred unchanged; invalid images and sizes are refused."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.v1 import common_pb2
from motioncast.v1.common_pb2 import Image
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.images import (
    AVIF,
    JPEG,
    PNG,
    RGB8,
    WEBP,
    Encoding,
    Pixels,
    decode_image,
    effective_encoding,
    effective_output,
    encode_image,
    takes_codec,
)


def random_pixels(height: int, width: int) -> Pixels:
    rng = np.random.default_rng(height * 100 + width)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def file_of(image: PIL.Image.Image, name: str) -> bytes:
    file = io.BytesIO()
    image.save(file, name)
    return file.getvalue()


@pytest.mark.parametrize("encoding", [RGB8, PNG, WEBP])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (64, 48)])
def test_what_loses_nothing_comes_back_as_it_was(
    encoding: Encoding, height: int, width: int
) -> None:
    pixels = random_pixels(height, width)
    message = encode_image(pixels, encoding)
    assert (message.encoding, message.height, message.width) == (encoding, height, width)
    np.testing.assert_array_equal(decode_image(message, height, width), pixels)


def test_jpeg_comes_back_nearly_as_it_was() -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    pixels = np.broadcast_to(ramp[:, np.newaxis, np.newaxis], (64, 64, 3)).copy()
    decoded = decode_image(encode_image(pixels, JPEG), 64, 64)
    assert np.abs(decoded.astype(int) - pixels).max() <= 4


def test_avif_keeps_a_smooth_picture_in_few_bytes() -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    pixels = np.stack(np.broadcast_arrays(ramp[:, np.newaxis], ramp, 255 - ramp), axis=-1)
    message = encode_image(pixels, AVIF)
    assert len(message.data) < len(encode_image(pixels, JPEG).data) / 2
    assert np.abs(decode_image(message, 64, 64).astype(int) - pixels).max() <= 16


def test_frames_do_not_return_as_what_is_slow_to_write() -> None:
    assert effective_output(common_pb2.IMAGE_ENCODING_UNSPECIFIED) == RGB8
    assert effective_output(PNG) == PNG
    for encoding in (WEBP, AVIF):
        with pytest.raises(InvalidInputError, match=r"^output_encoding: .* is only for images"):
            effective_output(encoding)


def test_pictures_of_a_stream_are_no_images_by_themselves() -> None:
    with pytest.raises(InvalidInputError, match="H264 is only for the frames"):
        effective_encoding(common_pb2.IMAGE_ENCODING_H264, "image.encoding")


def test_raw_bytes_are_rows_of_red_green_blue_from_the_top() -> None:
    message = Image(height=2, width=1, data=bytes([255, 0, 0, 0, 0, 255]))
    np.testing.assert_array_equal(decode_image(message, 2, 1), [[[255, 0, 0]], [[0, 0, 255]]])


def test_raw_pixels_are_read_in_place() -> None:
    assert decode_image(encode_image(random_pixels(4, 4)), 4, 4).base is not None


def test_a_view_is_encoded_as_it_looks() -> None:
    pixels = random_pixels(6, 4)
    message = encode_image(pixels[::2, ::-1])
    np.testing.assert_array_equal(decode_image(message, 3, 4), pixels[::2, ::-1])


def test_no_encoding_means_raw_pixels() -> None:
    assert effective_encoding(common_pb2.IMAGE_ENCODING_UNSPECIFIED) == RGB8
    assert not takes_codec(RGB8)
    assert takes_codec(JPEG)
    assert takes_codec(PNG)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_files_of_other_colour_modes_are_read_as_rgb(mode: str) -> None:
    grey = PIL.Image.new("RGB", (5, 3), (255, 255, 255)).convert(mode)
    message = Image(encoding=PNG, data=file_of(grey, "PNG"))
    np.testing.assert_array_equal(decode_image(message, 3, 5), np.full((3, 5, 3), 255))


def test_the_size_of_a_file_may_be_left_out_but_not_be_wrong() -> None:
    message = encode_image(random_pixels(4, 6), PNG)
    message.height = message.width = 0
    assert decode_image(message, 4, 6).shape == (4, 6, 3)
    message.width = 7
    with pytest.raises(InvalidInputError, match=r"^image: 7 x 4 pixels, but the model takes 6 x 4"):
        decode_image(message, 4, 6)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (Image(height=4, width=4), r"^image\.data: the image is empty$"),
        (Image(height=4, width=4, data=bytes(47)), r"^image\.data: 47 bytes, but 4 x 4 RGB pix"),
        (Image(height=4, width=4, data=bytes(49)), r"^image\.data: 49 bytes, but 4 x 4 RGB pix"),
        (Image(height=6, width=4, data=bytes(72)), r"^image: 4 x 6 pixels, but the model takes 4"),
        (Image(data=bytes(48)), r"^image: 0 x 0 pixels, but the model takes 4 x 4$"),
        (Image(encoding=PNG, data=b"\x89PNG"), r"^image\.data: not a readable PNG image$"),
        (encode_image(random_pixels(5, 4), PNG), r"^image: 4 x 5 pixels, but the model takes 4"),
        (encode_image(random_pixels(5, 4), JPEG), r"^image: 4 x 5 pixels, but the model takes 4"),
        (encode_image(random_pixels(5, 4), WEBP), r"^image: 4 x 5 pixels, but the model takes 4"),
        (encode_image(random_pixels(5, 4), AVIF), r"^image: 4 x 5 pixels, but the model takes 4"),
        (Image(encoding=WEBP, data=b"RIFF"), r"^image\.data: not a readable WEBP image$"),
        (Image(encoding=AVIF, data=bytes(99)), r"^image\.data: not a readable AVIF image$"),
    ],
)
def test_what_is_no_image_of_that_size_is_refused(message: Image, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        decode_image(message, 4, 4)


def test_one_format_is_not_read_as_another() -> None:
    message = encode_image(random_pixels(4, 4), PNG)
    message.encoding = JPEG
    with pytest.raises(InvalidInputError, match=r"^image\.data: not a readable JPEG image$"):
        decode_image(message, 4, 4)


def test_a_vast_file_is_refused_by_its_header() -> None:
    small = file_of(PIL.Image.new("L", (1, 1)), "PNG")
    header = small.index(b"IHDR") + 4
    vast = bytearray(small)
    vast[header : header + 8] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(InvalidInputError, match=r"^image"):
        decode_image(Image(encoding=PNG, data=bytes(vast)), 4, 4)


@pytest.mark.parametrize("encoding", [JPEG, PNG])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    encoding: Encoding, data: st.DataObject
) -> None:
    good = encode_image(random_pixels(8, 8), encoding).data
    start = data.draw(st.integers(0, len(good) - 1), label="start")
    length = data.draw(st.integers(0, 8), label="length")
    noise = data.draw(st.binary(max_size=8), label="noise")
    damaged = good[:start] + noise + good[start + length :]
    try:
        pixels = decode_image(Image(encoding=encoding, data=damaged), 8, 8)
    except InvalidInputError:
        return
    assert pixels.shape == (8, 8, 3)
