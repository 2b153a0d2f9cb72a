"""The session of a client that sends keypoints, as floats or coded, gated or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from motioncast.client.checked import checked_image, checked_keypoints
from motioncast.client.coding import KeypointCoder, ModelTables
from motioncast.client.errors import InvalidRequestError, MissingExtraError, ServerError
from motioncast.client.options import StreamOptions, encoding, gate_of, quality_of
from motioncast.client.session import Session
from motioncast.client.sources import listed, message
from motioncast.client.types import (
    DatagramTraffic,
    Encoding,
    Frame,
    FramedKeypoints,
    Keypoints,
    Mode,
    Pixels,
    Source,
)
from motioncast.codec import DEFAULT_COARSENESS
from motioncast.timeline.pattern import Pattern
from motioncast.v1.common_pb2 import CodedKeypoints, Crop
from motioncast.v1.motion_transfer_pb2 import (
    KeypointPacket,
    SourceImage,
    StreamRequest,
    StreamResponse,
)
from motioncast.wire.datagrams import Door
from motioncast.wire.framing import encode_crop
from motioncast.wire.keypoints import encode_keypoints

if TYPE_CHECKING:
    from motioncast.client.datagram_coding import DatagramCoder

AGAIN_SECONDS: Final = 0.5  # how long a packet may stay unacknowledged while the video is stalled


class KeypointsSession(Session[Keypoints | FramedKeypoints]):
    """The session of a client that detects keypoints itself.

    Args:
        tables: Returns the codec tables of a model; called when the session opens, if keypoints
            are to be coded.
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
        self._quality = quality_of(options, sent_as)
        self._count: int | None = None
        given = [checked_image(field, image) for field, image in listed(source, axes=3)]
        points: list[Keypoints | None] = [None] * len(given)
        if source_keypoints is not None:
            listed_points = listed(source_keypoints, axes=2, field="source_keypoints")
            if len(listed_points) != len(given):
                problem = f"{len(listed_points)} given for {len(given)} sources"
                raise InvalidRequestError.of("source_keypoints", problem)
            points = [self._checked(field, one) for field, one in listed_points]
        self._tables = tables
        self._coder: KeypointCoder | DatagramCoder | None = None
        self._carrier: DatagramCoder | None = None
        if options.get("datagrams"):
            _check_quic()
        self._coded = options.get("keypoint_encoding", "floats") == "coded"
        if self._coded and (source_keypoints is None or tables is None):
            raise InvalidRequestError.of(
                "source_keypoints", "missing; coded keypoints are relative to the source's"
            )
        self._points = points
        self._gate = gate_of(options.get("gate"))
        self._first_sources = [
            self._source(n, image, of_image)
            for n, (image, of_image) in enumerate(zip(given, points, strict=True))
        ]

    def receive(self, response: StreamResponse) -> Frame | None:
        """Takes a message as `Session` does, and connects to the datagram port it announces."""
        frame = super().receive(response)
        if (
            self._carrier is not None
            and response.HasField("config")
            and response.config.HasField("datagrams")
        ):
            try:
                door = Door.decode(response.config.datagrams)
            except ValueError as error:
                raise ServerError(f"the server's datagram settings are invalid: {error}") from error
            if self.host:
                self._carrier.open(self.host, door)
        return frame

    def again(self) -> list[StreamRequest]:
        """Returns unacknowledged packets, to be resent over gRPC."""
        if self._carrier is None:
            return []
        return self._packets(self._carrier.again(AGAIN_SECONDS))

    def close(self) -> None:
        """Closes the connection to the datagram port."""
        if self._carrier is not None:
            self._carrier.close()

    @property
    def datagrams(self) -> DatagramTraffic | None:
        """How packets have travelled so far; None if the session does not use datagrams."""
        return None if self._carrier is None else self._carrier.traffic

    def _sources(self, index: int, element: Keypoints | FramedKeypoints) -> list[SourceImage]:
        return self._first_sources

    def _further(self, source: Source) -> SourceImage:
        image, keypoints = checked_image("source.image", source.image), source.keypoints
        if keypoints is not None:
            keypoints = self._checked("source.keypoints", keypoints)
        elif self._coded:
            raise InvalidRequestError.of(
                "source.keypoints", "missing; coded keypoints need those of every source"
            )
        return self._source(source.index, image, keypoints)

    def _source(self, index: int, image: Pixels, keypoints: Keypoints | None) -> SourceImage:
        return message(
            index, image, keypoints, self._encoding, coded=self._coded, quality=self._quality
        )

    def _prepare(self) -> None:
        if not self._coded:
            return
        assert self._tables is not None  # checked
        codec = self._tables(self._opening.model or None)
        self._opening.codec_tables = codec.digest
        coarseness = self._options.get("coarseness", DEFAULT_COARSENESS)
        if self._opening.HasField("datagrams"):
            from motioncast.client.datagram_coding import DatagramCoder  # late: needs an extra

            pattern = Pattern(self._opening.observed_frames, self._opening.predicted_frames)
            self._coder = self._carrier = DatagramCoder(
                codec.tables, coarseness, self.packet_frames, self._gate, pattern
            )
            self._gate = None  # now owned by the coder
        else:
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
            if isinstance(self._coder, KeypointCoder):
                skipped = self._skips.send(index)
                return self._packets(self._coder.push(index, keypoints, crop, skipped))
            packets = self._coder.push(index, keypoints, crop)
            if self._coder.left_out(index):
                self._skips.leave_out(index)
            else:
                self._skips.send(index)
            return self._packets(packets)

    def _passes(self, index: int, element: Keypoints | FramedKeypoints) -> bool:
        """Asks the gate, and reports to it what the receiver gets."""
        if self._gate is None:
            return True
        keypoints, _ = self._parts(index, element)
        if not self._gate.sends(index, keypoints):
            self._gate.settle(index, None)
            self._skips.leave_out(index)
            return False
        with _in_the_words_of(f"keypoints[{index}]"):
            coder = self._coder
            if isinstance(coder, KeypointCoder):
                keypoints = coder.preview(index, keypoints)
            self._gate.settle(index, keypoints)
        return True

    def _message(self, index: int, element: Keypoints | FramedKeypoints) -> StreamRequest:
        keypoints, crop = self._parts(index, element)
        packet = KeypointPacket(
            index=index,
            keypoints=encode_keypoints(keypoints),
            crop=crop,
            skipped_frames=self._skips.send(index),
        )
        return StreamRequest(keypoints=packet)

    def _parts(
        self, index: int, element: Keypoints | FramedKeypoints
    ) -> tuple[Keypoints, Crop | None]:
        """Returns checked keypoints (K, 3), and the crop that they belong to."""
        crop = None
        if isinstance(element, FramedKeypoints):
            crop = encode_crop(element.crop)
            element = element.keypoints
        return self._checked(f"keypoints[{index}]", element), crop

    def _take_source(self, field: str, index: int, keypoints: Keypoints) -> list[StreamRequest]:
        assert self._coder is not None
        with _in_the_words_of(field):
            return self._packets(self._coder.set_source(index, keypoints))

    @property
    def can_go_on(self) -> bool:
        """Whether the session can resume at another server."""
        return super().can_go_on and not self._opening.HasField("datagrams")

    def take_ends(self) -> list[int]:
        """Returns the last frame of every packet made since the previous call."""
        coder = self._coder
        if not isinstance(coder, KeypointCoder):
            return []
        ends, coder.ends = coder.ends, []
        return ends

    def _packets(self, packets: list[CodedKeypoints]) -> list[StreamRequest]:
        assert self._coder is not None
        self._newest = self._coder.newest
        return [StreamRequest(coded=packet) for packet in packets]

    def _checked(self, field: str, keypoints: Keypoints) -> Keypoints:
        array = checked_keypoints(field, keypoints)
        self._count = self._count or len(array)
        if len(array) != self._count:
            problem = f"{len(array)} keypoints, but earlier frames have {self._count}"
            raise InvalidRequestError.of(field, problem)
        return array


def _check_quic() -> None:
    """Raises MissingExtraError if no QUIC library is installed."""
    if find_spec("aioquic") is None:
        raise MissingExtraError("datagrams need aioquic: pip install 'motioncast[quic]'")


@contextmanager
def _in_the_words_of(field: str) -> Iterator[None]:
    """Converts the codec's refusal of a different number of keypoints into the caller's error."""
    try:
        yield
    except ValueError as error:
        raise InvalidRequestError.of(field, str(error)) from error
