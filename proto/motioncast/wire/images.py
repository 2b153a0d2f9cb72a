"""Images as arrays: (H, W, 3) uint8, RGB."""

from __future__ import annotations

import io
from typing import Any, Final, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import features

from motioncast.framing import size_problem
from motioncast.v1 import common_pb2
from motioncast.v1.common_pb2 import Image, ImageEncoding
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.file_headers import avif_size, webp_size

Pixels: TypeAlias = NDArray[np.uint8]
Encoding: TypeAlias = "ImageEncoding.ValueType"  # the name exists in the stubs only

RGB8: Final = common_pb2.IMAGE_ENCODING_RGB8
JPEG: Final = common_pb2.IMAGE_ENCODING_JPEG
PNG: Final = common_pb2.IMAGE_ENCODING_PNG
WEBP: Final = common_pb2.IMAGE_ENCODING_WEBP
AVIF: Final = common_pb2.IMAGE_ENCODING_AVIF
H264: Final = common_pb2.IMAGE_ENCODING_H264  # of a stream; not of a single image
MAX_CRF: Final = 51  # constant rate factor of H.264, the worst quality
DEFAULT_CRF: Final = 23

_HEADERS: Final = {"WEBP": webp_size, "AVIF": avif_size}
_OUTPUTS: Final = (RGB8, JPEG, PNG)  # take only a millisecond or two per frame
_FORMATS: Final = {JPEG: "JPEG", PNG: "PNG", WEBP: "WEBP", AVIF: "AVIF"}
_OPTIONS: Final[dict[Encoding, dict[str, Any]]] = {
    JPEG: {"quality": 95},
    PNG: {},
    WEBP: {"lossless": True, "quality": 75, "method": 4},
    AVIF: {"quality": 70, "subsampling": "4:4:4", "speed": 4, "max_threads": 1},
}


def takes_codec(encoding: Encoding) -> bool:
    """Returns whether an encoding needs a codec; converting many images then needs a thread."""
    return encoding in _FORMATS


def available(encoding: Encoding) -> bool:
    """Returns whether this machine's Pillow supports an encoding: it may lack AVIF."""
    return encoding != AVIF or bool(features.check("avif"))


def effective_encoding(encoding: Encoding, field: str = "encoding") -> Encoding:
    """Returns the encoding that a number stands for; RGB8 if it is unspecified.

    Raises:
        InvalidInputError: There is no such encoding for images.
    """
    if encoding == common_pb2.IMAGE_ENCODING_UNSPECIFIED:
        return RGB8
    if encoding == H264:
        raise InvalidInputError.of(field, "H264 is only for the frames that a session returns")
    if encoding != RGB8 and encoding not in _FORMATS:
        raise InvalidInputError.of(field, f"{encoding} is not a known encoding")
    return encoding


def effective_output(encoding: Encoding, field: str = "output_encoding") -> Encoding:
    """Returns the encoding for returned frames; RGB8 if it is unspecified.

    Raises:
        InvalidInputError: There is no such encoding, or it is too slow to use for every frame.
    """
    effective = effective_encoding(encoding, field)
    if effective not in _OUTPUTS:
        raise InvalidInputError.of(
            field,
            f"{_FORMATS[effective]} is only for images that are sent, not for returned frames",
        )
    return effective


def encode_image(pixels: Pixels, encoding: Encoding = RGB8, quality: int | None = None) -> Image:
    """Returns pixels (H, W, 3) as a message.

    Args:
        pixels: The image.
        encoding: An effective encoding.
        quality: For JPEG and AVIF, 1 to 100; None for the default.
    """
    height, width, _ = pixels.shape
    if encoding == RGB8:
        return Image(encoding=RGB8, height=height, width=width, data=pixels.tobytes())
    file = io.BytesIO()
    options = _OPTIONS[encoding]
    if quality is not None and encoding in (JPEG, AVIF):
        options = {**options, "quality": quality}
    PIL.Image.fromarray(pixels).save(file, _FORMATS[encoding], **options)
    return Image(encoding=encoding, height=height, width=width, data=file.getvalue())


def decode_image(message: Image, height: int, width: int, field: str = "image") -> Pixels:
    """Returns the message as pixels (H, W, 3).

    Args:
        message: The image received.
        height: The model's height in pixels.
        width: The model's width in pixels.
        field: Path of the message in the request, for error messages.

    Raises:
        InvalidInputError: The image is empty, cannot be read, or is not of the model's size.
    """
    if not message.data:
        raise InvalidInputError.of(f"{field}.data", "the image is empty")
    encoding = effective_encoding(message.encoding, f"{field}.encoding")
    if takes_codec(encoding):
        return _decode_file(message, height, width, field)
    _check_size(message.height, message.width, height, width, field)
    size = height * width * 3
    if len(message.data) != size:
        raise InvalidInputError.of(
            f"{field}.data",
            f"{len(message.data)} bytes, but {width} x {height} RGB pixels take {size}",
        )
    return np.frombuffer(message.data, dtype=np.uint8).reshape(height, width, 3)


def decode_picture(message: Image, field: str = "image") -> Pixels:
    """Returns the message as pixels (H, W, 3), of any size that can be framed.

    Raises:
        InvalidInputError: The image is empty, cannot be read, or is too small or too large; this
            is checked before any pixels are decoded.
    """
    height, width = message.height, message.width
    if message.data and takes_codec(effective_encoding(message.encoding, f"{field}.encoding")):
        height, width = _file_size(message, field)
    problem = size_problem(width, height)
    if message.data and problem is not None:
        raise InvalidInputError.of(field, problem)
    return decode_image(message, height, width, field)


def _file_size(message: Image, field: str) -> tuple[int, int]:
    """Returns the height and width in a file's header, which cover everything to be decoded."""
    name = _FORMATS[message.encoding]
    if not available(message.encoding):
        raise InvalidInputError.of(
            f"{field}.encoding",
            "AVIF cannot be decoded here; WebP and PNG are lossless alternatives",
        )
    try:
        if name in _HEADERS:
            return _HEADERS[name](message.data)
        with PIL.Image.open(io.BytesIO(message.data), formats=[name]) as image:
            return image.height, image.width
    except Exception as error:  # decoders raise all kinds of errors for broken files
        raise InvalidInputError.of(f"{field}.data", f"not a readable {name} image") from error


def _decode_file(message: Image, height: int, width: int, field: str) -> Pixels:
    name = _FORMATS[message.encoding]
    # The size is in the header: it is checked before any pixels are decoded.
    got_height, got_width = _file_size(message, field)
    _check_size(got_height, got_width, height, width, field)
    _check_size(message.height or height, message.width or width, height, width, field)
    try:
        with PIL.Image.open(io.BytesIO(message.data), formats=[name]) as image:
            _check_size(image.height, image.width, height, width, field)
            # Avoid copies of large pictures: only the decoder's and the array's bytes.
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except InvalidInputError:
        raise
    except Exception as error:
        raise InvalidInputError.of(f"{field}.data", f"not a readable {name} image") from error


def _check_size(got_height: int, got_width: int, height: int, width: int, field: str) -> None:
    if (got_height, got_width) != (height, width):
        raise InvalidInputError.of(
            field, f"{got_width} x {got_height} pixels, but the model takes {width} x {height}"
        )
