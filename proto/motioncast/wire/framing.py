"""Framing in messages: modes, crops and faces."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, TypeAlias

from motioncast.framing import Crop, FramingMode
from motioncast.framing import Face as FaceBox
from motioncast.v1 import common_pb2, keypoint_pb2
from motioncast.v1.common_pb2 import FramingMode as ModeName
from motioncast.v1.keypoint_pb2 import FaceList
from motioncast.wire.errors import InvalidInputError

Mode: TypeAlias = "ModeName.ValueType"  # the name exists in the stubs only

FARTHEST: Final = 131072.0  # pixels; the limit of a crop's values

_MODES: Final = {
    FramingMode.AUTO: common_pb2.FRAMING_MODE_AUTO,
    FramingMode.FIXED: common_pb2.FRAMING_MODE_FIXED,
    FramingMode.OFF: common_pb2.FRAMING_MODE_OFF,
}
_NAMES: Final = {number: mode for mode, number in _MODES.items()}


def encode_mode(mode: FramingMode) -> Mode:
    """Returns the contract's number for a mode."""
    return _MODES[mode]


def decode_mode(number: Mode, field: str = "frame") -> FramingMode:
    """Returns the mode that a number stands for; OFF if it is unspecified.

    Raises:
        InvalidInputError: There is no such mode.
    """
    if number == common_pb2.FRAMING_MODE_UNSPECIFIED:
        return FramingMode.OFF
    if number not in _NAMES:
        raise InvalidInputError.of(field, f"{number} is not a framing mode")
    return _NAMES[number]


def encode_crop(crop: Crop) -> common_pb2.Crop:
    """Returns a crop as a message; exact if its values are whole 64ths of a pixel."""
    return common_pb2.Crop(left=crop.left, top=crop.top, side=crop.side)


def decode_crop(message: common_pb2.Crop, field: str = "crop") -> Crop:
    """Returns the message as a crop.

    Raises:
        InvalidInputError: A value is not finite or out of range.
    """
    for name, value in (("left", message.left), ("top", message.top), ("side", message.side)):
        if not math.isfinite(value):
            raise InvalidInputError.of(f"{field}.{name}", "the value is not finite")
        if abs(value) > FARTHEST:
            raise InvalidInputError.of(
                f"{field}.{name}", f"{value:g} is out of range [-{FARTHEST:g}, {FARTHEST:g}]"
            )
    if message.side <= 0:
        raise InvalidInputError.of(f"{field}.side", f"{message.side:g} is not above 0")
    return Crop(message.left, message.top, message.side)


def encode_faces(faces: Iterable[FaceBox]) -> FaceList:
    """Returns the faces of an image as a message."""
    return FaceList(
        faces=[
            keypoint_pb2.Face(
                left=face.left,
                top=face.top,
                right=face.right,
                bottom=face.bottom,
                score=face.score,
            )
            for face in faces
        ]
    )


def decode_faces(message: FaceList) -> list[FaceBox]:
    """Returns the faces in a message from one of our own services."""
    return [
        FaceBox(face.left, face.top, face.right, face.bottom, face.score) for face in message.faces
    ]
