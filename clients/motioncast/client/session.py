"""One session without its transport: a video's elements in, messages out; and the reverse.

    element 0         ->  config, sources, element 0
    element t         ->  element t when t mod (M + N) < M, else nothing
    further source    ->  the source, which takes up no t
    the end           ->  how many elements there were, if the config did not say so
    config, report    ->  stored
    frame             ->  Frame

Shared by the asyncio transport and the blocking one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sized
from dataclasses import replace
from typing import Generic, TypeVar

from motioncast.client.decode import decode_frame, decode_report
from motioncast.client.errors import InvalidRequestError, ServerError
from motioncast.client.latest import Skipped
from motioncast.client.options import (
    EffectiveConfig,
    StreamOptions,
    decode_config,
    encode_config,
    is_observed,
)
from motioncast.client.types import (
    DatagramTraffic,
    Frame,
    FramedKeypoints,
    Keypoints,
    Mode,
    Origin,
    Pixels,
    Report,
    Source,
)
from motioncast.media.h264 import H264Decoder
from motioncast.sending.skips import Skips
from motioncast.timeline.pattern import Pattern
from motioncast.v1.motion_transfer_pb2 import (
    SourceImage,
    StreamEnd,
    StreamRequest,
    StreamResponse,
)

E = TypeVar("E", Pixels, Keypoints | FramedKeypoints)


class Session(ABC, Generic[E]):
    """What both sides of one stream have sent so far.

    Args:
        elements: The video; only its length is used, if it has one.
        mode: Whether the source is the video's first frame or another image.
        options: Settings of the session.
    """

    def __init__(self, elements: object, mode: Mode, options: StreamOptions) -> None:
        if options.get("frame_count") is None and (count := _frames(elements)):
            options = {**options, "frame_count": count}
        self._opening = encode_config(options, mode)
        self._options = options
        self._newest = -1
        self._opened = False
        self.host = ""  # of the server that the call goes to
        self._next_index = 0
        self._config: EffectiveConfig | None = None
        self._report: Report | None = None
        self._video: H264Decoder | None = None
        self._skips = Skips(Pattern(self._opening.observed_frames, self._opening.predicted_frames))
        self._given: Counter[Origin] = Counter()

    @property
    def config(self) -> EffectiveConfig:
        """The effective configuration; RuntimeError before the first frame has arrived."""
        if self._config is None:
            raise RuntimeError("the configuration comes with the first frame")
        return self._config

    @property
    def datagrams(self) -> DatagramTraffic | None:
        """How packets have travelled so far; None if the session does not use datagrams."""
        return None

    @property
    def report(self) -> Report:
        """The report; RuntimeError before the last frame has arrived."""
        if self._report is None:
            raise RuntimeError("the report comes after the last frame")
        if self.frame_count is not None:
            return self._report
        # The server may have forecast a few more frames before it knew where the video ends.
        return replace(
            self._report,
            observed_frames=self._given[Origin.OBSERVED],
            predicted_frames=self._given[Origin.PREDICTED],
            concealed_frames=self._given[Origin.CONCEALED],
        )

    def send(self, element: E | Source | Skipped | None) -> list[StreamRequest]:
        """Returns the messages for the next element of the video; none for one that is not sent.

        Raises:
            InvalidRequestError: The element is invalid.
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
        """Returns what `send` returns for the next element, None after the last one."""
        try:
            return self.send(next(elements))
        except StopIteration:
            return None

    @property
    def frames_read(self) -> int:
        """Elements of the video passed to `send`, without sources."""
        return self._next_index

    @property
    def newest_sent(self) -> int:
        """Index of the newest frame that is in a message; -1 before the first."""
        return self._newest

    @property
    def packet_frames(self) -> int:
        """Frames that share a packet, and wait for each other before they are sent."""
        return self._options.get("packet_frames", 1)

    @property
    def frame_count(self) -> int | None:
        """Frames of the whole video; None if only its end tells."""
        return self._opening.frame_count or None

    @property
    def pattern(self) -> Pattern:
        """Which frames are sent."""
        return Pattern(self._opening.observed_frames, self._opening.predicted_frames)

    @property
    def has_begun(self) -> bool:
        """Whether a server has responded."""
        return self._config is not None

    @property
    def can_go_on(self) -> bool:
        """Whether the session can resume at another server."""
        return not self._opening.delay_frames

    def take_ends(self) -> list[int]:
        """Returns the last frame of every packet made since the previous call."""
        return []

    @property
    def observed(self) -> int:
        """M of the pattern."""
        return self._opening.observed_frames

    def sends(self, index: int) -> bool:
        """Returns whether the pattern sends a frame."""
        return is_observed(index, self.observed, self._opening.predicted_frames)

    @property
    def complete(self) -> bool:
        """Whether `frame_count` elements have been sent: there is nothing more to read."""
        return 0 < self._opening.frame_count <= self._next_index

    def end(self) -> list[StreamRequest]:
        """Returns the messages for the end of the video.

        Raises:
            InvalidRequestError: The video was empty.
        """
        if not self._opened:
            raise InvalidRequestError("the video is empty")
        messages = self._rest()
        left_out = self._skips.before(self._next_index)
        if left_out or not self._opening.frame_count:
            end = StreamEnd(frame_count=self._next_index, skipped_frames=left_out)
            messages.append(StreamRequest(end=end))
        return messages

    def receive(self, response: StreamResponse) -> Frame | None:
        """Returns the frame of a message, None for the configuration and the report."""
        match response.WhichOneof("message"):
            case "config":
                self._config = config = decode_config(response.config)
                if config.output == "h264":  # a resumed session begins with a key picture
                    self._video = H264Decoder(config.height, config.width)
            case "frame" if self._config is not None:
                return decode_frame(response.frame, self._config, self._video)
            case "report":
                self._report = decode_report(response.report)
            case kind:
                raise ServerError(
                    f"the server sent {kind or 'nothing'}, which is not allowed at this point"
                )
        return None

    def give(self, frame: Frame) -> None:
        """Notes that a frame is returned to the caller."""
        self._given[frame.origin] += 1

    def again(self) -> list[StreamRequest]:
        """Returns messages to resend because nothing has acknowledged them."""
        return []

    def close(self) -> None:
        """Closes what the session holds besides its call."""

    def finish(self) -> None:
        """Notes that the server has closed the stream; ServerError when its report is missing."""
        if self._report is None:
            raise ServerError("the server ended the stream without a report")

    def _send_source(self, source: Source) -> list[StreamRequest]:
        if not self._opened:
            raise InvalidRequestError(
                "a further source must come after the first frame of the video"
            )
        further = StreamRequest(source=self._further(source))
        return [*self._before(source), further]

    def _prepare(self) -> None:
        """Makes the preparations that are due before the session is opened."""

    def _before(self, source: Source) -> list[StreamRequest]:
        """Returns the messages to send before a further source, after checking it."""
        return []

    def _rest(self) -> list[StreamRequest]:
        """Returns the messages that still wait to be sent."""
        return []

    def _messages(self, index: int, element: E) -> list[StreamRequest]:
        """Returns the messages that are due with the element at `index`."""
        self._newest = index
        return [self._message(index, element)]

    @abstractmethod
    def _sources(self, index: int, element: E) -> list[SourceImage]:
        """Returns the first sources; `element` is the first available one, at `index`."""

    @abstractmethod
    def _further(self, source: Source) -> SourceImage:
        """Returns the message of a further source."""

    @abstractmethod
    def _message(self, index: int, element: E) -> StreamRequest:
        """Returns the element at `index` as a message."""


def _frames(elements: object) -> int:
    """Returns the frame count of a video with a known length, without sources; else 0."""
    if isinstance(elements, list | tuple):
        return sum(not isinstance(one, Source) for one in elements)
    return len(elements) if isinstance(elements, Sized) else 0
