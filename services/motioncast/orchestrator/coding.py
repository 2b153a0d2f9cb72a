"""How the keypoints of one session travel: as floats, or as packets of the bitstream.

    CodedKeypoints -> decoder of the session -> index and KeypointSet of 1 to 8 frames

A packet refers to frames and sources of its own session alone, and what it decodes to goes the
way that floats go. docs/bitstream.md is the specification.
"""

from __future__ import annotations

from collections import deque

from motioncast.codec import BitstreamError, CodecTables, KeypointDecoder, decode_source
from motioncast.orchestrator.stretch import Arrived
from motioncast.v1.common_pb2 import CodedKeypoints, KeypointSet
from motioncast.v1.motion_transfer_pb2 import SourceImage
from motioncast.wire.errors import InvalidInputError, OutOfOrderError
from motioncast.wire.keypoints import Keypoints, decode_keypoints, encode_keypoints


class SessionCoding:
    """What a session's packets are decoded with.

    Args:
        tables: Of the model; None where keypoints travel as floats.
    """

    def __init__(self, tables: CodecTables | None = None) -> None:
        self._count = tables.keypoints if tables else 0
        self._tables = tables
        self._decoder = KeypointDecoder(tables) if tables else None
        self._ends: deque[Arrived] = deque()  # the last frames of packets that came

    def check(self, kind: str) -> None:
        """Raises OutOfOrderError for data that the session has agreed not to send."""
        if self._decoder is None and kind == "coded":
            raise OutOfOrderError(
                "coded: a coded packet came, but the session's keypoints travel as floats",
                field="coded",
            )
        if self._decoder is not None and kind in ("frame", "keypoints"):
            what = "a frame" if kind == "frame" else "a keypoint packet"
            raise OutOfOrderError(
                f"{kind}: {what} came, but the session's keypoints travel coded", field=kind
            )

    def source(self, source: SourceImage) -> None:
        """Takes a source that has been checked, which later packets may refer to.

        Raises:
            InvalidInputError: It came without its keypoints, and they travel coded.
        """
        if self._decoder is None:
            return
        if not source.HasField("keypoints"):
            raise InvalidInputError.of(
                "source.keypoints", "missing; every source has its own where they travel coded"
            )
        keypoints = decode_keypoints(source.keypoints, self._count, "source.keypoints")
        self._take_source(source.index, keypoints)

    def frames(self, packet: CodedKeypoints) -> list[Arrived]:
        """Returns index and keypoints of each frame of a packet.

        Raises:
            InvalidInputError: The bytes are no packet, or refer to what did not come.
        """
        assert self._decoder is not None  # checked before
        try:
            decoded = self._decoder.decode(packet.data)
        except BitstreamError as error:
            raise InvalidInputError.of("coded.data", str(error)) from error
        arrived = [
            Arrived(frame.index, encode_keypoints(frame.keypoints), frame.skipped)
            for frame in decoded
        ]
        self._ends.append(arrived[-1])
        return arrived

    def reference(self, next_index: int) -> Arrived | None:
        """Returns the last frame of the newest packet that lies before a frame, if there is any.

        To be asked in order. The packets that follow refer to it, or to one another.
        """
        while len(self._ends) > 1 and self._ends[1].index < next_index:
            self._ends.popleft()
        return self._ends[0] if self._ends and self._ends[0].index < next_index else None

    def go_on(self, index: int, keypoints: KeypointSet) -> None:
        """Takes such a frame from another server; comes before sources and packets.

        Raises:
            InvalidInputError: Its keypoints are none of the model's.
        """
        if self._tables is None:
            return
        self._decoder = KeypointDecoder(self._tables, near=index)
        self._decoder.know(index, decode_keypoints(keypoints, self._count))
        self._ends.append(Arrived(index, keypoints))

    def _take_source(self, index: int, keypoints: Keypoints) -> None:
        assert self._decoder is not None  # checked before
        self._decoder.set_source(index, keypoints)


def decode_coded(source: SourceImage, keypoints: int) -> KeypointSet:
    """Returns the keypoints that a source has coded, of a model with so many.

    Raises:
        InvalidInputError: The bytes are no such, or it has keypoints as floats too.
    """
    if source.HasField("keypoints"):
        raise InvalidInputError.of("source.coded_keypoints", "they stand in place of keypoints")
    try:
        return encode_keypoints(decode_source(source.coded_keypoints, keypoints))
    except BitstreamError as error:
        raise InvalidInputError.of("source.coded_keypoints", str(error)) from error
