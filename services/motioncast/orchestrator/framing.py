"""Frames the pictures of one session with a camera, and tracks which crop each result shows.

    picture -> (every fifth: letterboxed -> faces) -> camera -> cut -> image of the model's size

Everything after this step sees images of the model's size, whichever side framed them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

from motioncast.framing import (
    Crop,
    Face,
    Framed,
    Framer,
    FramerState,
    FramingMode,
    letterboxed,
    portrait,
)
from motioncast.orchestrator.configuration import SessionConfig
from motioncast.v1 import motion_transfer_pb2
from motioncast.v1.common_pb2 import CodedKeypoints, Image
from motioncast.v1.motion_transfer_pb2 import DrivingFrame, KeypointPacket
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.framing import decode_crop
from motioncast.wire.images import Pixels, decode_image, decode_picture, encode_image, takes_codec

FindFaces: TypeAlias = Callable[[Pixels], Awaitable[list[Face]]]  # in the letterboxed picture


@dataclass(frozen=True, slots=True)
class Shown:
    """What a frame shows of the sender's picture, and the faces seen so far.

    Attributes:
        crop, faces: The frame's.
        framer: State of the session's framer after the frame, where the server frames.
    """

    crop: Crop
    faces: int
    framer: FramerState | None = None


class SessionFraming:
    """Turns the images that a client sends into images of the model's size.

    Args:
        config: The session's configuration.
        find: Finds faces where the server frames.
        took: Called with the milliseconds that framing each picture took.
    """

    def __init__(
        self, config: SessionConfig, find: FindFaces, took: Callable[[float], None]
    ) -> None:
        model = config.model
        self._height, self._width = model.height, model.width
        self._find = find
        self._took = took
        self._framer: Framer | None = None
        if config.frame is not FramingMode.OFF:
            if model.height != model.width:
                raise InvalidInputError.of(
                    "config.frame", f"needs square images, but those of {model.name} are not"
                )
            self._framer = Framer(config.frame, model.height, config.frame_rate)
        # The source is the first frame of the video, so the camera starts there.
        self._starts_at_source = config.mode == motion_transfer_pb2.TRANSFER_MODE_RECONSTRUCTION
        self._noted: deque[tuple[int, Shown]] = deque()  # for frames to come
        self._shown: Shown | None = None

    @property
    def raw_frame_bytes(self) -> int | None:
        """Size as raw RGB of a picture that the server frames.

        None before the first picture, and where the server does not frame.
        """
        if self._framer is None or self._framer.pictures is None:
            return None
        width, height = self._framer.pictures
        return 3 * width * height

    async def source(self, image: Image, *, first: bool, field: str) -> Image:
        """Returns a source image as raw RGB of the model's size.

        Args:
            image: As it was sent.
            first: Whether it is the session's first source; later ones are cropped independently.
            field: Its field in the request.

        Raises:
            InvalidInputError: It cannot be read, or has a wrong size.
        """
        if self._framer is None:
            return await self._of_the_models_size(image, field)
        picture = await _decoded(image, field)
        started = perf_counter()
        faces = await self._faces(picture)
        if first and self._starts_at_source:
            framed = await asyncio.to_thread(self._framer.begin, picture, faces)
            self._shown = Shown(framed.crop, framed.faces, self._framer.state)
        else:
            framed = await asyncio.to_thread(portrait, picture, faces, self._height)
        self._took(1000 * (perf_counter() - started))
        return encode_image(framed.image)

    async def frame(self, frame: DrivingFrame) -> Image:
        """Returns a driving frame as raw RGB of the model's size.

        Raises:
            InvalidInputError: It cannot be read, has a wrong size, or was framed by both sides.
        """
        if self._framer is None:
            image = await self._of_the_models_size(frame.image, "frame.image")
            self.note(frame, frame.index, "frame.crop")
            return image
        if frame.HasField("crop"):
            raise InvalidInputError.of(
                "frame.crop", "must not be set: the server frames the session's pictures"
            )
        picture = await _decoded(frame.image, "frame.image")
        height, width, _ = picture.shape
        size = self._framer.pictures or (width, height)
        if (width, height) != size:
            raise InvalidInputError.of(
                "frame.image",
                f"{width} x {height} pixels, but earlier pictures have {size[0]} x {size[1]}",
            )
        started = perf_counter()
        faces = await self._faces(picture) if self._framer.looks(frame.index) else None
        framed: Framed = await asyncio.to_thread(self._framer.frame, frame.index, picture, faces)
        self._took(1000 * (perf_counter() - started))
        shown = Shown(framed.crop, framed.faces, self._framer.state)
        self._noted.append((frame.index, shown))
        return encode_image(framed.image)

    def note(
        self, message: DrivingFrame | KeypointPacket | CodedKeypoints, index: int, field: str
    ) -> None:
        """Records the crop that a message gives for frames from `index` on, if it gives one.

        Raises:
            InvalidInputError: The crop is invalid.
        """
        if message.HasField("crop"):
            self._noted.append((index, Shown(decode_crop(message.crop, field), 0)))

    def shown(self, index: int) -> Shown | None:
        """Returns what frame `index` of the result shows, or None if it was not framed.

        Must be called with ascending indices. A frame shows the same crop as the latest frame sent
        up to then; before the first, the source's crop if the camera started there.
        """
        while self._noted and self._noted[0][0] <= index:
            self._shown = self._noted.popleft()[1]
        return self._shown

    @property
    def latest(self) -> Shown | None:
        """What the frame last passed to `shown` shows."""
        return self._shown

    def go_on(self, shown: Shown) -> None:
        """Continues after a frame made by another server."""
        self._noted.clear()
        self._shown = shown
        if self._framer is not None and shown.framer is not None:
            self._framer.state = shown.framer

    async def _faces(self, picture: Pixels) -> list[Face]:
        square, letterbox = await asyncio.to_thread(letterboxed, picture)
        return [letterbox.back(face) for face in await self._find(square)]

    async def _of_the_models_size(self, image: Image, field: str) -> Image:
        """Returns the image as raw RGB, decoded here so that its sender learns what is wrong."""
        if not takes_codec(image.encoding):
            decode_image(image, self._height, self._width, field)
            return image
        pixels = await asyncio.to_thread(decode_image, image, self._height, self._width, field)
        return encode_image(pixels)


async def _decoded(image: Image, field: str) -> Pixels:
    if takes_codec(image.encoding):
        return await asyncio.to_thread(decode_picture, image, field)
    return decode_picture(image, field)
