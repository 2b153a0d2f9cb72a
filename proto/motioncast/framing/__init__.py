"""Framing: a virtual camera that puts head and shoulders where the networks expect them.

    faces     what the finder says -> boxes of faces in the picture -> the crop that each asks for
    camera    which crop is shown: fixed, or following slowly
    pixels    a crop cut out of a picture, and a result put back into it
    framer    the three of them along the frames of a session

Pure functions and values, shared by the services, the device, training and evaluation. Positions
are in pixels of the full picture, edges not centres.
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
