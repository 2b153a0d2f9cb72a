"""Framing: a virtual camera that puts head and shoulders where the networks expect them.

    faces     the finder's output -> boxes of faces in the picture -> the crop for each
    camera    which crop is shown: fixed, or following slowly
    pixels    cuts a crop out of a picture, and puts a result back into it
    framer    combines the three along the frames of a session

Pure functions and values, shared by the services, the device, training and evaluation. Positions
are in pixels of the full picture, measured at edges, not centres.
"""

from motioncast.framing.camera import (
    DEFAULT_SETTINGS,
    Camera,
    CameraSettings,
    FramingMode,
    foremost,
)
from motioncast.framing.crop import Crop, centre_square
from motioncast.framing.faces import (
    FINDER,
    FINDER_SIZE,
    Face,
    Letterbox,
    letterboxed,
    looks,
    seen,
    without_doubles,
)
from motioncast.framing.framer import (
    LOOK_EVERY,
    MAX_PIXELS,
    MAX_SIDE,
    MIN_SIDE,
    Framed,
    Framer,
    FramerState,
    portrait,
    size_problem,
)
from motioncast.framing.pixels import BORDER, Picture, cut, put_back

__all__ = [
    "BORDER",
    "DEFAULT_SETTINGS",
    "FINDER",
    "FINDER_SIZE",
    "LOOK_EVERY",
    "MAX_PIXELS",
    "MAX_SIDE",
    "MIN_SIDE",
    "Camera",
    "CameraSettings",
    "Crop",
    "Face",
    "Framed",
    "Framer",
    "FramerState",
    "FramingMode",
    "Letterbox",
    "Picture",
    "centre_square",
    "cut",
    "foremost",
    "letterboxed",
    "looks",
    "portrait",
    "put_back",
    "seen",
    "size_problem",
    "without_doubles",
]
