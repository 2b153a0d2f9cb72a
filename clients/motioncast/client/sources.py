"""Source images on their way to the service: counted, checked, numbered, converted to messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from motioncast.client.errors import InvalidRequestError
from motioncast.client.types import Keypoints, Pixels
from motioncast.codec import encode_source
from motioncast.sources import MAX_SOURCES
from motioncast.v1.motion_transfer_pb2 import SourceImage
from motioncast.wire import images
from motioncast.wire.images import encode_image
from motioncast.wire.keypoints import encode_keypoints

T = TypeVar("T", Pixels, Keypoints)


def listed(given: T | Sequence[T], axes: int, field: str = "source") -> list[tuple[str, T]]:
    """Returns one array or several as a list, each with its name for error messages.

    Args:
        given: One array, a list or a tuple of arrays, or an array with one more axis.
        axes: Axes of a single array: 3 for an image, 2 for keypoints.
        field: Name of the argument.

    Raises:
        InvalidRequestError: There are no arrays, or more than MAX_SOURCES.
    """
    if not isinstance(given, list | tuple) and np.ndim(given) <= axes:
        return [(field, given)]  # type: ignore[list-item]  # a single array
    if not 1 <= len(given) <= MAX_SOURCES:
        problem = f"{len(given)} given, but a session takes 1 to {MAX_SOURCES} sources"
        raise InvalidRequestError.of(field, problem)
    return [(f"{field}[{n}]", one) for n, one in enumerate(given)]


def message(
    index: int,
    image: Pixels,
    keypoints: Keypoints | None,
    sent_as: images.Encoding,
    *,
    coded: bool = False,
    quality: int | None = None,
) -> SourceImage:
    """Returns a source as a message.

    Args:
        index: The source's index, 0 to MAX_SOURCES - 1.
        image: (H, W, 3), checked.
        keypoints: (K, 3), checked; None lets the server detect them.
        sent_as: How the image is encoded.
        coded: Whether its keypoints are sent coded, on the lattice.
        quality: For JPEG and AVIF, 1 to 100; None for the default.

    Raises:
        InvalidRequestError: The index is out of range.
    """
    if not 0 <= index < MAX_SOURCES:
        problem = f"{index} is out of range [0, {MAX_SOURCES - 1}]: a session has 1 to"
        raise InvalidRequestError.of("source.index", f"{problem} {MAX_SOURCES} sources")
    source = SourceImage(image=encode_image(image, sent_as, quality), index=index)
    if keypoints is None:
        return source
    if coded:
        source.coded_keypoints = encode_source(np.asarray(keypoints, np.float32))
    else:
        source.keypoints.CopyFrom(encode_keypoints(keypoints))
    return source
