"""The decoded size of WebP and AVIF files is read from the coded picture, not the container."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.v1.common_pb2 import Image
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.file_headers import HeaderError, avif_size, webp_size
from motioncast.wire.images import (
    AVIF,
    WEBP,
    Encoding,
    Pixels,
    decode_image,
    decode_picture,
    encode_image,
)


def file_of(height: int, width: int, kind: str, **options: Any) -> bytes:
    pixels = np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3))
    file = io.BytesIO()
    PIL.Image.fromarray(pixels.astype(np.uint8)).save(file, kind, **options)
    return file.getvalue()


SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(SIZES, st.booleans())
def test_a_webp_has_the_size_that_it_was_written_with(
    size: tuple[int, int], lossless: bool
) -> None:
    assert webp_size(file_of(*size, "WEBP", lossless=lossless)) == size


@given(SIZES, st.sampled_from(["4:4:4", "4:2:0"]))
def test_an_avif_has_the_size_that_it_was_written_with(
    size: tuple[int, int], subsampling: str
) -> None:
    assert avif_size(file_of(*size, "AVIF", speed=10, subsampling=subsampling)) == size


def test_a_webp_with_alpha_has_the_size_of_its_canvas() -> None:
    file = io.BytesIO()
    PIL.Image.new("RGBA", (7, 5), (1, 2, 3, 4)).save(file, "WEBP")
    assert webp_size(file.getvalue()) == (5, 7)


def test_a_large_picture_in_a_small_wrapping_is_refused_by_its_true_size() -> None:
    small, large = encode_image(np.zeros((16, 16, 3), np.uint8), AVIF), file_of(64, 48, "AVIF")
    wrapped = large.replace(
        b"ispe\0\0\0\0\0\0\0\x30\0\0\0\x40", b"ispe\0\0\0\0\0\0\0\x10\0\0\0\x10"
    )
    assert wrapped != large
    assert decode_image(small, 16, 16).shape == (16, 16, 3)
    with pytest.raises(InvalidInputError, match="48 x 64 pixels, but the model takes 16 x 16"):
        decode_image(Image(encoding=AVIF, data=wrapped), 16, 16)


def test_animations_are_no_pictures() -> None:
    frames = [PIL.Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 90, 200)]
    for kind, size in (("WEBP", webp_size), ("AVIF", avif_size)):
        file = io.BytesIO()
        frames[0].save(file, kind, save_all=True, append_images=frames[1:])
        with pytest.raises(HeaderError):
            size(file.getvalue())


@pytest.mark.parametrize("encoding", [WEBP, AVIF])
@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 7))))
def test_damaged_files_are_decoded_to_their_size_or_refused(
    encoding: Encoding, cut: int, flips: list[tuple[int, int]]
) -> None:
    data = bytearray(file_of(16, 20, "WEBP" if encoding == WEBP else "AVIF", quality=30))
    for place, bit in flips:
        data[place % len(data)] ^= 1 << bit
    message = Image(encoding=encoding, data=bytes(data[: len(data) - cut]))
    ways: tuple[Callable[[], Pixels], ...] = (
        lambda: decode_image(message, 16, 20),
        lambda: decode_picture(message),
    )
    for decode in ways:
        try:
            assert decode().ndim == 3
        except InvalidInputError:
            continue
