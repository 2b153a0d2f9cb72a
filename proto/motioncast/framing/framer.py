"""Applies the camera to the frames of one session, wherever the finder runs.

    framer = Framer(FramingMode.AUTO, model_size, frame_rate)
    for index, picture in ...:
        faces = find(picture) if framer.looks(index) else None
        framed = framer.frame(index, picture, faces)

The same calls in the service and on a device give the same crops, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from motioncast.framing.camera import Camera, FramingMode, first_crop
from motioncast.framing.crop import Crop
from motioncast.framing.faces import Face
from motioncast.framing.pixels import Picture, cut

LOOK_EVERY: Final = 5  # frames of the timeline between two searches for faces
MIN_SIDE: Final = 16  # pixels of a picture
MAX_SIDE: Final = 4096
MAX_PIXELS: Final = 2**23  # 3840 x 2160 has fewer


@dataclass(frozen=True, slots=True)
class Framed:
    """The networks' view of a picture.

    Attributes:
        image: (S, S, 3) of the model's size.
        crop: The part of the picture that it shows.
        faces: How many were found in the latest search.
    """

    image: Picture
    crop: Crop
    faces: int


@dataclass(frozen=True, slots=True)
class FramerState:
    """The state of a framer between two frames.

    Attributes:
        camera: None before the first picture.
        index: Index of the latest frame; None before the first.
        looked: Index of the latest frame searched for faces; None before the first.
        faces: How many were found in it.
    """

    camera: Camera | None
    index: int | None
    looked: int | None
    faces: int


def size_problem(width: int, height: int) -> str | None:
    """Returns why a picture of this size cannot be framed; None if it can."""
    for side in (width, height):
        if not MIN_SIDE <= side <= MAX_SIDE:
            return f"{width} x {height} pixels, but each side must be {MIN_SIDE} to {MAX_SIDE}"
    if width * height > MAX_PIXELS:
        return f"{width} x {height} pixels exceed the limit of {MAX_PIXELS}"
    return None


def portrait(picture: Picture, faces: Sequence[Face], size: int) -> Framed:
    """Returns a picture framed on its own; see `first_crop`."""
    height, width, _ = picture.shape
    crop = first_crop(faces, width, height).rounded()
    return Framed(cut(picture, crop, size), crop, len(faces))


class Framer:
    """Frames the pictures of one session, in the order of their indices.

    Args:
        mode: AUTO or FIXED.
        size: Height and width of the model's images in pixels.
        frame_rate: Frames per second of the timeline.

    Attributes:
        pictures: Width and height of the pictures; None before the first.
    """

    def __init__(self, mode: FramingMode, size: int, frame_rate: float) -> None:
        self._mode = mode
        self._size = size
        self._frame_rate = frame_rate
        self._camera: Camera | None = None
        self._index: int | None = None  # of the latest frame
        self._looked: int | None = None  # index of the latest frame searched for faces
        self._faces = 0
        self.pictures: tuple[int, int] | None = None

    @property
    def state(self) -> FramerState:
        """The current state; a framer that is set to it continues identically."""
        return FramerState(self._camera, self._index, self._looked, self._faces)

    @state.setter
    def state(self, state: FramerState) -> None:
        self._camera, self._index = state.camera, state.index
        self._looked, self._faces = state.looked, state.faces
        if self._camera is not None:
            self.pictures = self._camera.width, self._camera.height

    def looks(self, index: int) -> bool:
        """Returns whether to search frame `index` for faces: the first one, and with AUTO the next
        that comes LOOK_EVERY or more frames after the last searched one."""
        if self._camera is None:
            return True
        if self._mode is not FramingMode.AUTO:
            return False
        if self._looked is None:
            return False  # the picture that the session began with, once more
        return index - self._looked >= LOOK_EVERY

    def begin(self, picture: Picture, faces: Sequence[Face]) -> Framed:
        """Returns the picture that the session begins with, before any frame: the source, if that
        is the first frame. That frame is then not searched again."""
        self._start(picture, faces)
        return self._framed(picture)

    def frame(self, index: int, picture: Picture, faces: Sequence[Face] | None) -> Framed:
        """Returns frame `index`.

        Args:
            index: Index on the timeline, greater than the previous one.
            picture: Of the same size as the previous ones.
            faces: The faces found in it if `looks` asked for a search, None otherwise.

        Raises:
            ValueError: The picture differs in size from the previous ones.
        """
        if self._camera is None:
            self._start(picture, faces or ())
        elif (picture.shape[1], picture.shape[0]) != self.pictures:
            raise ValueError("all pictures of a session must have the same size")
        elif self._index is not None:
            self._camera = self._camera.after((index - self._index) / self._frame_rate)
            if faces is not None:
                self._camera = self._camera.seeing(faces)
                self._faces = len(faces)
        if faces is not None or self._looked is None:
            self._looked = index
        self._index = index
        return self._framed(picture)

    def _start(self, picture: Picture, faces: Sequence[Face]) -> None:
        height, width, _ = picture.shape
        self._camera = Camera.start(self._mode, width, height, faces)
        self._faces = len(faces)
        self.pictures = width, height

    def _framed(self, picture: Picture) -> Framed:
        assert self._camera is not None
        crop = self._camera.crop
        return Framed(cut(picture, crop, self._size), crop, self._faces)
