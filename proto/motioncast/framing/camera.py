"""The virtual camera: decides which part of each picture is shown.

    off     the picture unchanged
    fixed   the first picture decides for the whole session
    auto    follows the face, slowly: it rests while the face stays near the middle

The goal of auto is the framing rule's crop. A target is kept until the wanted crop leaves a dead
zone around it; the wanted crop then becomes the target, and the camera glides there through two
low-pass filters in series (a critically damped follower). Their impulse response is positive:
whatever the face does, the crop stays within the range of the targets so far, so it never
overshoots.

Cameras are immutable: an observation returns a new camera.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from motioncast.framing.crop import Crop, centre_square
from motioncast.framing.faces import Face

_NEAR: Final = 0.8  # in heights of the face: the farthest that it may have moved since last seen
_ALIKE: Final = 2.0  # the largest ratio of its sizes


class FramingMode(StrEnum):
    """How pictures are framed."""

    AUTO = "auto"
    FIXED = "fixed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """How the camera follows a face."""

    dead_zone: float = 0.12  # of the side: a face this far off centre is still completely visible
    dead_zoom: float = 0.20  # the change of a face's size that is ignored
    follow_seconds: float = 0.4  # time constant of position, each of two
    zoom_seconds: float = 0.8  # the same for scale
    patience_seconds: float = 2.0  # how long a face may be out of sight before following another


DEFAULT_SETTINGS: Final = CameraSettings()


@dataclass(frozen=True, slots=True)
class _View:
    """A crop as the camera moves it: centre in pixels and logarithm of the side."""

    x: float
    y: float
    zoom: float

    @classmethod
    def of(cls, crop: Crop) -> _View:
        x, y = crop.centre
        return cls(x, y, math.log(crop.side))

    def crop(self) -> Crop:
        side = math.exp(self.zoom)
        return Crop(self.x - side / 2, self.y - side / 2, side)

    def has_in_place(self, wanted: _View, settings: CameraSettings) -> bool:
        """Returns whether the middle of another view lies in the dead zone around this one's."""
        reach = settings.dead_zone * math.exp(self.zoom)
        return math.hypot(wanted.x - self.x, wanted.y - self.y) <= reach

    def has_in_size(self, wanted: _View, settings: CameraSettings) -> bool:
        """Returns whether another view has about the same size."""
        return abs(wanted.zoom - self.zoom) <= math.log1p(settings.dead_zoom)

    def towards(self, goal: _View, position: float, zoom: float) -> _View:
        """Returns the view after part of the way to another, in shares of position and scale."""
        return _View(
            self.x + position * (goal.x - self.x),
            self.y + position * (goal.y - self.y),
            self.zoom + zoom * (goal.zoom - self.zoom),
        )


@dataclass(frozen=True, slots=True)
class Camera:
    """One session's camera.

    Attributes:
        mode: AUTO or FIXED.
        width, height: Size of every picture, in pixels.
        settings: How it follows a face.
        face: Where the followed face was last seen; None if there was none.
        unseen_seconds: How long ago that was.
    """

    mode: FramingMode
    width: int
    height: int
    settings: CameraSettings
    face: Face | None
    unseen_seconds: float
    _target: _View
    _middle: _View  # between the two filters
    _view: _View

    @classmethod
    def start(
        cls,
        mode: FramingMode,
        width: int,
        height: int,
        faces: Sequence[Face],
        settings: CameraSettings = DEFAULT_SETTINGS,
    ) -> Camera:
        """Returns the camera at the first picture; see `first_crop`.

        Args:
            mode: AUTO or FIXED.
            width, height: Size of the pictures.
            faces: The faces found in the first picture.
            settings: How it follows a face.
        """
        face = foremost(faces, width, height)
        view = _View.of(first_crop(faces, width, height, settings))
        return cls(mode, width, height, settings, face, 0.0, view, view, view)

    @classmethod
    def of_numbers(cls, mode: FramingMode, numbers: Sequence[float]) -> Camera:
        """Returns the camera with these `numbers`; ValueError if they are invalid."""
        if len(numbers) not in (12, 17) or not all(map(math.isfinite, numbers)):
            raise ValueError(f"{len(numbers)} numbers do not describe a camera")
        width, height, unseen, *rest = numbers
        target, middle, view = (_View(*rest[n : n + 3]) for n in (0, 3, 6))
        face = Face(*rest[9:]) if rest[9:] else None
        size = int(width), int(height)
        return cls(mode, *size, DEFAULT_SETTINGS, face, unseen, target, middle, view)

    def numbers(self) -> list[float]:
        """Returns the changeable state of a camera with default settings, 12 or 17 numbers."""
        views = (self._target, self._middle, self._view)
        numbers = [float(self.width), float(self.height), self.unseen_seconds]
        numbers += [number for view in views for number in (view.x, view.y, view.zoom)]
        if (face := self.face) is not None:
            numbers += [face.left, face.top, face.right, face.bottom, face.score]
        return numbers

    @property
    def crop(self) -> Crop:
        """The current crop, in whole 64ths of a pixel."""
        return self._view.crop().rounded()

    def after(self, seconds: float) -> Camera:
        """Returns the camera some time later; a negative time counts as none."""
        seconds = max(0.0, seconds)
        if self.mode is not FramingMode.AUTO:
            return self
        settings, middle, view = self.settings, self._middle, self._view
        steps = [
            -math.expm1(-seconds / constant)
            for constant in (settings.follow_seconds, settings.zoom_seconds)
        ]
        middle = middle.towards(self._target, *steps)
        view = view.towards(middle, *steps)
        unseen = self.unseen_seconds + seconds
        return replace(self, _middle=middle, _view=view, unseen_seconds=unseen)

    def seeing(self, faces: Sequence[Face]) -> Camera:
        """Returns the camera after an observation of the faces in a picture.

        It stays with the followed face while that is seen, and for `patience_seconds` longer; then
        it follows the foremost face. With no face in sight it stays in place.
        """
        if self.mode is not FramingMode.AUTO:
            return self
        face = self._same(faces)
        if face is None:
            if self.face is not None and self.unseen_seconds < self.settings.patience_seconds:
                return self
            face = foremost(faces, self.width, self.height)
        if face is None:
            return self
        target = self._aim(_View.of(face.crop()))
        return replace(self, face=face, unseen_seconds=0.0, _target=target)

    def _same(self, faces: Sequence[Face]) -> Face | None:
        """Returns the followed face: the nearest, if it is close and of similar size."""
        followed = self.face
        if followed is None or not faces:
            return None
        nearest = min(faces, key=followed.distance)
        ratio = nearest.height / followed.height
        near = followed.distance(nearest) <= _NEAR * followed.height
        return nearest if near and 1 / _ALIKE <= ratio <= _ALIKE else None

    def _aim(self, wanted: _View) -> _View:
        """Returns the target; it changes when the wanted view leaves the dead zone around it."""
        target, settings = self._target, self.settings
        if not target.has_in_place(wanted, settings):
            target = replace(target, x=wanted.x, y=wanted.y)
        if not target.has_in_size(wanted, settings):
            target = replace(target, zoom=wanted.zoom)
        return target


def first_crop(
    faces: Sequence[Face], width: int, height: int, settings: CameraSettings = DEFAULT_SETTINGS
) -> Crop:
    """Returns what is shown of a picture on its own: the framing rule's crop of its foremost face.

    If there is no face, or the centre square already has it in the dead zone of its place and
    size, this is the centre square: a picture that is already framed is not cropped again.
    """
    square, face = centre_square(width, height), foremost(faces, width, height)
    if face is None:
        return square
    shown, wanted = _View.of(square), _View.of(face.crop())
    framed = shown.has_in_place(wanted, settings) and shown.has_in_size(wanted, settings)
    return square if framed else face.crop()


def foremost(faces: Sequence[Face], width: int, height: int) -> Face | None:
    """Returns a picture's main face: large and near the middle; None if there are no faces.

    Its area counts fully in the picture's middle and half as much in a corner.
    """

    def weight(face: Face) -> float:
        x, y = face.centre
        off = math.hypot(x - width / 2, y - height / 2) / math.hypot(width / 2, height / 2)
        return face.area * (1 - 0.5 * min(off, 1.0))

    return max(faces, key=weight, default=None)
