"""The keypoints of a source, which are sent as floats or coded on the lattice."""

from __future__ import annotations

from motioncast.codec import BitstreamError, decode_source
from motioncast.v1.motion_transfer_pb2 import SourceImage
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints, decode_keypoints


def read_source_keypoints(source: SourceImage, keypoints: int) -> Keypoints | None:
    """Returns the keypoints (K, 3) of a source; None if it has none.

    Args:
        source: The message.
        keypoints: K, the model's number of keypoints.

    Raises:
        InvalidInputError: They do not fit the model, cannot be decoded, or are sent in both ways.
    """
    if source.HasField("keypoints"):
        if source.coded_keypoints:
            problem = "cannot be combined with keypoints"
            raise InvalidInputError.of("source.coded_keypoints", problem)
        return decode_keypoints(source.keypoints, keypoints, "source.keypoints")
    if not source.coded_keypoints:
        return None
    try:
        return decode_source(source.coded_keypoints, keypoints)
    except BitstreamError as error:
        raise InvalidInputError.of("source.coded_keypoints", str(error)) from error
