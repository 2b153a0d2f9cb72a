"""One session without its transport: a video's elements in, messages out; messages in, frames out.

    element 0         ->  config, sources, element 0
    element t         ->  element t when t mod (M + N) < M, else nothing
    further source    ->  the source, which takes no t
    the end           ->  how many elements there were, where the config did not say so
    config, report    ->  kept
    frame             ->  Frame

The asyncio transport and the blocking one share it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from motioncast.client.coding import KeypointCoder, ModelTables
from motioncast.client.decode import decode_frame, decode_report
from motioncast.client.errors import InvalidRequestError, ServerError, from_domain
from motioncast.client.latest import Skipped
from motioncast.client.options import (
    EffectiveConfig,
    StreamOptions,
    decode_config,
    encode_config,
    encoding,
    gate_of,
    is_observed,
)
from motioncast.client.sources import listed, message
from motioncast.client.types import (
    Encoding,
    Frame,
    FramedKeypoints,
    Keypoints,
    Mode,
    Origin,
    Pixels,
    Report,
    Source,
)
from motioncast.codec import DEFAULT_COARSENESS
from motioncast.v1.common_pb2 import CodedKeypoints, Crop
from motioncast.v1.motion_transfer_pb2 import (
    DrivingFrame,
    KeypointPacket,
    SourceImage,
    StreamEnd,
    StreamRequest,
    StreamResponse,
)
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.framing import encode_crop
from motioncast.wire.images import encode_image
from motioncast.wire.keypoints import check_keypoints, encode_keypoints

E = TypeVar("E", Pixels, Keypoints | FramedKeypoints)


class Session(ABC, Generic[E]):
    """What both sides of one stream have said so far.

    Args:
        elements: The video; only its length is looked at, when it has one.
        mode: What the source image is.
        options: How the session runs.
    """

    def __init__(self, elements: object, mode: Mode, options: StreamOptions) -> None:
        if options.get("frame_count") is None and (count := _frames(elements)):
            options = {**options, "frame_count": count}
        self._opening = encode_config(options, mode)
        self._options = options
        self._newest = -1
        self._opened = False
        self._next_index = 0
        self._config: EffectiveConfig | None = None
        self._report: Report | None = None
        self._given: Counter[Origin] = Counter()

    @property
    def config(self) -> EffectiveConfig:
        """The effective configuration; RuntimeError before the first frame has come."""
        if self._config is None:
            raise RuntimeError("the configuration comes with the first frame")
        return self._config

    @property
    def report(self) -> Report:
        """The report; RuntimeError before the last frame has come."""
        if self._report is None:
            raise RuntimeError("the report comes after the last frame")
        if self.frame_count is not None:
            return self._report
        # The server may have forecast some frames more before it knew where the video ends.
        return replace(
            self._report,
            observed_frames=self._given[Origin.OBSERVED],
            predicted_frames=self._given[Origin.PREDICTED],
            concealed_frames=self._given[Origin.CONCEALED],
        )

    def send(self, element: E | Source | Skipped | None) -> list[StreamRequest]:
        """Returns the messages for the next element of the video, none for one that is not sent.

        Raises:
            InvalidRequestError: The element is not what it should be.
        """
        if isinstance(element, Source):
            return self._send_source(element)
        if isinstance(element, Skipped):
            self._next_index += element.count
            return []
        index = self._next_index
        self._next_index += 1
        if element is None:
            return []
        messages = []
        if not self._opened:
            self._prepare()
            messages.append(StreamRequest(config=self._opening))
            sources = self._sources(index, element)
            messages += [StreamRequest(source=source) for source in sources]
            self._opened = True
        if self.sends(index):
            messages += self._messages(index, element)
        return messages

    def send_next(
        self, elements: Iterator[E | Source | Skipped | None]
    ) -> list[StreamRequest] | None:
        """Returns what `send` makes of the next element, None after the last one."""
        try:
            return self.send(next(elements))
        except StopIteration:
            return None

    @property
    def frames_read(self) -> int:
        """Elements of the video that `send` was given, sources left out."""
        return self._next_index

    @property
    def newest_sent(self) -> int:
        """Index of the newest frame that is in a message; -1 before the first."""
        return self._newest

    @property
    def packet_frames(self) -> int:
        """Frames that wait for one another before they are sent."""
        return self._options.get("packet_frames", 1)

    @property
    def frame_count(self) -> int | None:
        """Frames of the whole video; None when only its end tells."""
        return self._opening.frame_count or None

    @property
    def observed(self) -> int:
        """M of the pattern."""
        return self._opening.observed_frames

    def sends(self, index: int) -> bool:
        """Tells whether the pattern sends a frame."""
        return is_observed(index, self.observed, self._opening.predicted_frames)

    @property
    def complete(self) -> bool:
        """Whether `frame_count` elements have been sent: there is nothing more to read."""
        return 0 < self._opening.frame_count <= self._next_index

    def end(self) -> list[StreamRequest]:
        """Returns the messages for the end of the video.

        Raises:
            InvalidRequestError: Nothing of it was there.
        """
        if not self._opened:
            raise InvalidRequestError("the video is empty")
        messages = self._rest()
        if not self._opening.frame_count:
            messages.append(StreamRequest(end=StreamEnd(frame_count=self._next_index)))
        return messages

    def receive(self, response: StreamResponse) -> Frame | None:
        """Returns the frame of a message, None for the configuration and the report."""
        match response.WhichOneof("message"):
            case "config":
                self._config = decode_config(response.config)
            case "frame" if self._config is not None:
                return decode_frame(response.frame, self._config)
            case "report":
                self._report = decode_report(response.report)
            case kind:
                raise ServerError(f"the server sent {kind or 'nothing'} where it may not")
        return None

    def give(self, frame: Frame) -> None:
        """Notes that a frame goes to the caller."""
        self._given[frame.origin] += 1

    def finish(self) -> None:
        """Notes that the server has closed the stream; ServerError when its report is missing."""
        if self._report is None:
            raise ServerError("the stream ended without its report")

    def _send_source(self, source: Source) -> list[StreamRequest]:
        if not self._opened:
            raise InvalidRequestError("a further source comes after the first frame of the video")
        further = StreamRequest(source=self._further(source))
        return [*self._before(source), further]

    def _prepare(self) -> None:
        """Does what has to be done before the session is opened."""

    def _before(self, source: Source) -> list[StreamRequest]:
        """Returns what has to be sent before a further source, once that has been checked."""
        return []

    def _rest(self) -> list[StreamRequest]:
        """Returns what still waits to be sent."""
        return []

    def _messages(self, index: int, element: E) -> list[StreamRequest]:
        """Returns the messages that are due with the element at `index`."""
        self._newest = index
        return [self._message(index, element)]

    @abstractmethod
    def _sources(self, index: int, element: E) -> list[SourceImage]:
        """Returns the first sources; `element` is the first that is there, at `index`."""

    @abstractmethod
    def _further(self, source: Source) -> SourceImage:
        """Returns a source that comes later."""

    @abstractmethod
    def _message(self, index: int, element: E) -> StreamRequest:
        """Returns the element at `index` as a message."""


class FramesSession(Session[Pixels]):
    """The session of a client that sends frames; without a source its first frame is the source."""

    def __init__(
        self,
        frames: object,
        source: Pixels | Sequence[Pixels] | None,
        sent_as: Encoding,
        options: StreamOptions,
    ) -> None:
        mode = Mode.RECONSTRUCTION if source is None else Mode.TRANSFER
        super().__init__(frames, mode, options)
        if options.get("keypoint_encoding", "floats") != "floats":
            raise InvalidRequestError.of("keypoint_encoding", "frames are sent here, not keypoints")
        if options.get("gate") is not None:
            raise InvalidRequestError.of("gate", "frames are sent here, not keypoints")
        self._encoding = encoding("encoding", sent_as)
        # Where the server frames, sources may be of other sizes than the frames.
        self._sizes_differ = options.get("frame", "off") != "off"
        self._shape: tuple[int, ...] | None = None
        given = [] if source is None else listed(source, axes=3)
        self._source_images = [self._checked_source(field, image) for field, image in given]

    def _sources(self, index: int, element: Pixels) -> list[SourceImage]:
        images = self._source_images or [self._checked(f"frames[{index}]", element)]
        return [message(n, image, None, self._encoding) for n, image in enumerate(images)]

    def _further(self, source: Source) -> SourceImage:
        image = self._checked_source("source.image", source.image)
        keypoints = source.keypoints
        if keypoints is not None:
            keypoints = _checked_keypoints("source.keypoints", keypoints)
        return message(source.index, image, keypoints, self._encoding)

    def _message(self, index: int, element: Pixels) -> StreamRequest:
        image = encode_image(self._checked(f"frames[{index}]", element), self._encoding)
        return StreamRequest(frame=DrivingFrame(index=index, image=image))

    def _checked_source(self, field: str, image: Pixels) -> Pixels:
        return _checked_image(field, image) if self._sizes_differ else self._checked(field, image)

    def _checked(self, field: str, image: Pixels) -> Pixels:
        image = _checked_image(field, image)
        self._shape = self._shape or image.shape
        if image.shape != self._shape:
            problem = f"{_size(image.shape)} pixels, but the source has {_size(self._shape)}"
            raise InvalidRequestError.of(field, problem)
        return image


class KeypointsSession(Session[Keypoints | FramedKeypoints]):
    """The session of a client that detects keypoints itself.

    Args:
        tables: Gives the codec tables of a model; called when the session is opened, where
            keypoints are to be coded.
    """

    def __init__(
        self,
        keypoints: object,
        source: Pixels | Sequence[Pixels],
        source_keypoints: Keypoints | Sequence[Keypoints] | None,
        mode: Mode | None,
        sent_as: Encoding,
        options: StreamOptions,
        tables: Callable[[str | None], ModelTables] | None = None,
    ) -> None:
        moved = options.get("relative_motion", False)
        mode = mode or (Mode.TRANSFER if moved else Mode.RECONSTRUCTION)
        super().__init__(keypoints, mode, options)
        self._encoding = encoding("encoding", sent_as)
        self._count: int | None = None
        given = [_checked_image(field, image) for field, image in listed(source, axes=3)]
        points: list[Keypoints | None] = [None] * len(given)
        if source_keypoints is not None:
            listed_points = listed(source_keypoints, axes=2, field="source_keypoints")
            if len(listed_points) != len(given):
                problem = f"{len(listed_points)} of them, but there are {len(given)} sources"
                raise InvalidRequestError.of("source_keypoints", problem)
            points = [self._checked(field, one) for field, one in listed_points]
        self._tables = tables
        self._coder: KeypointCoder | None = None
        self._coded = options.get("keypoint_encoding", "floats") == "coded"
        if self._coded and (source_keypoints is None or tables is None):
            raise InvalidRequestError.of(
                "source_keypoints", "missing; keypoints are coded against those of the source"
            )
        self._points = points
        self._gate = gate_of(options.get("gate"))
        self._first_sources = [
            message(n, image, of_image, self._encoding, coded=self._coded)
            for n, (image, of_image) in enumerate(zip(given, points, strict=True))
        ]

    def _sources(self, index: int, element: Keypoints | FramedKeypoints) -> list[SourceImage]:
        return self._first_sources

    def _further(self, source: Source) -> SourceImage:
        image, keypoints = _checked_image("source.image", source.image), source.keypoints
        if keypoints is not None:
            keypoints = self._checked("source.keypoints", keypoints)
        elif self._coded:
            raise InvalidRequestError.of(
                "source.keypoints", "missing; every source has its own where keypoints are coded"
            )
        return message(source.index, image, keypoints, self._encoding, coded=self._coded)

    def _prepare(self) -> None:
        if not self._coded:
            return
        assert self._tables is not None  # checked
        codec = self._tables(self._opening.model or None)
        self._opening.codec_tables = codec.digest
        coarseness = self._options.get("coarseness", DEFAULT_COARSENESS)
        self._coder = KeypointCoder(codec.tables, coarseness, self.packet_frames)
        for index, points in enumerate(self._points):
            assert points is not None  # checked
            self._take_source("source_keypoints", index, points)

    def _before(self, source: Source) -> list[StreamRequest]:
        if self._coder is None or source.keypoints is None:
            return []
        return self._take_source("source.keypoints", source.index, source.keypoints)

    def _rest(self) -> list[StreamRequest]:
        return [] if self._coder is None else self._packets(self._coder.flush())

    def _messages(self, index: int, element: Keypoints | FramedKeypoints) -> list[StreamRequest]:
        if not self._passes(index, element):
            return []
        if self._coder is None:
            return super()._messages(index, element)
        keypoints, crop = self._parts(index, element)
        with _in_the_words_of(f"keypoints[{index}]"):
            return self._packets(self._coder.push(index, keypoints, crop))

    def _passes(self, index: int, element: Keypoints | FramedKeypoints) -> bool:
        """Asks the gate, and tells it what the receiver gets."""
        if self._gate is None:
            return True
        keypoints, _ = self._parts(index, element)
        if not self._gate.sends(index, keypoints):
            self._gate.settle(index, None)
            return False
        with _in_the_words_of(f"keypoints[{index}]"):
            coder = self._coder
            self._gate.settle(
                index, keypoints if coder is None else coder.preview(index, keypoints)
            )
        return True

    def _message(self, index: int, element: Keypoints | FramedKeypoints) -> StreamRequest:
        keypoints, crop = self._parts(index, element)
        packet = KeypointPacket(index=index, keypoints=encode_keypoints(keypoints), crop=crop)
        return StreamRequest(keypoints=packet)

    def _parts(
        self, index: int, element: Keypoints | FramedKeypoints
    ) -> tuple[Keypoints, Crop | None]:
        """Returns checked keypoints (K, 3), and what they are of."""
        crop = None
        if isinstance(element, FramedKeypoints):
            crop = encode_crop(element.crop)
            element = element.keypoints
        return self._checked(f"keypoints[{index}]", element), crop

    def _take_source(self, field: str, index: int, keypoints: Keypoints) -> list[StreamRequest]:
        assert self._coder is not None
        with _in_the_words_of(field):
            return self._packets(self._coder.set_source(index, keypoints))

    def _packets(self, packets: list[CodedKeypoints]) -> list[StreamRequest]:
        assert self._coder is not None
        self._newest = self._coder.newest
        return [StreamRequest(coded=packet) for packet in packets]

    def _checked(self, field: str, keypoints: Keypoints) -> Keypoints:
        array = _checked_keypoints(field, keypoints)
        self._count = self._count or len(array)
        if len(array) != self._count:
            problem = f"{len(array)} keypoints, but the ones before have {self._count}"
            raise InvalidRequestError.of(field, problem)
        return array


@contextmanager
def _in_the_words_of(field: str) -> Iterator[None]:
    """Turns what the codec refuses, keypoints of another number, into what a caller gets."""
    try:
        yield
    except ValueError as error:
        raise InvalidRequestError.of(field, str(error)) from error


def _frames(elements: object) -> int:
    """Returns how many frames a video has that knows its length, sources left out; else 0."""
    if isinstance(elements, list | tuple):
        return sum(not isinstance(one, Source) for one in elements)
    return len(elements) if isinstance(elements, Sized) else 0


def _checked_keypoints(field: str, keypoints: Keypoints) -> Keypoints:
    array = np.asarray(keypoints)
    if array.ndim != 2 or array.shape[1] != 3 or not np.issubdtype(array.dtype, np.number):
        problem = f"shape {array.shape} of {array.dtype}, but keypoints are (K, 3) numbers"
        raise InvalidRequestError.of(field, problem)
    try:
        check_keypoints(array, field)
    except InvalidInputError as error:
        raise from_domain(error) from error
    return array


def _checked_image(field: str, image: Pixels) -> Pixels:
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InvalidRequestError.of(field, f"shape {array.shape}, but an image is (H, W, 3)")
    if array.dtype != np.uint8:
        raise InvalidRequestError.of(field, f"{array.dtype} values, but pixels are uint8")
    return array


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
