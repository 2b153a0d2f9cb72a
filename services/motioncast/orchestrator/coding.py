"""How one session's keypoints are transmitted: as floats, or as packets of the bitstream.

    CodedKeypoints -> decoder of the session -> index and KeypointSet of 1 to 8 frames

A packet refers only to frames and sources of its own session. Decoded keypoints are handled exactly
like keypoints sent as floats. docs/bitstream.md is the specification.
"""

from __future__ import annotations

from collections import deque

from motioncast.codec import BitstreamError, CodecTables, KeypointDecoder
from motioncast.orchestrator.stretch import Arrived
from motioncast.v1.common_pb2 import CodedKeypoints, KeypointSet
from motioncast.v1.motion_transfer_pb2 import SourceImage
from motioncast.wire.errors import InvalidInputError, OutOfOrderError
from motioncast.wire.keypoints import Keypoints, decode_keypoints, encode_keypoints


class SessionCoding:
    """Decodes the packets of one session.

    Args:
        tables: The model's codec tables; None when keypoints are sent as floats.
    """

    def __init__(self, tables: CodecTables | None = None) -> None:
        self._count = tables.keypoints if tables else 0
        self._tables = tables
        self._decoder = KeypointDecoder(tables) if tables else None
        self._ends: deque[Arrived] = deque()  # the last frame of each received packet

    def check(self, kind: str) -> None:
        """Raises OutOfOrderError for a kind of message that the session agreed not to send."""
        if self._decoder is None and kind == "coded":
            raise OutOfOrderError(
                "coded: received a coded packet, but the session's keypoints are floats",
                field="coded",
            )
        if self._decoder is not None and kind in ("frame", "keypoints"):
            what = "a frame" if kind == "frame" else "a keypoint packet"
            raise OutOfOrderError(
                f"{kind}: received {what}, but the session's keypoints are coded", field=kind
            )

    def source(self, source: SourceImage) -> None:
        """Accepts a checked source, which later packets may refer to.

        Raises:
            InvalidInputError: The session's keypoints are coded, and the source came without its
                own.
        """
        if self._decoder is None:
            return
        if not source.HasField("keypoints"):
            raise InvalidInputError.of(
                "source.keypoints", "missing; every source needs them when keypoints are coded"
            )
        keypoints = decode_keypoints(source.keypoints, self._count, "source.keypoints")
        self._take_source(source.index, keypoints)

    def frames(self, packet: CodedKeypoints) -> list[Arrived]:
        """Returns the index and keypoints of each frame in a packet.

        Raises:
            InvalidInputError: The bytes are not a packet, or refer to something that was not
                received.
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
        """Returns the last frame of the newest packet that precedes a frame, or None.

        Must be called with ascending indices. Later packets refer to this frame or to one another.
        """
        while len(self._ends) > 1 and self._ends[1].index < next_index:
            self._ends.popleft()
        return self._ends[0] if self._ends and self._ends[0].index < next_index else None

    def go_on(self, index: int, keypoints: KeypointSet) -> None:
        """Restores the reference frame of a resumed session; call before any source or packet.

        Raises:
            InvalidInputError: The keypoints do not fit the model.
        """
        if self._tables is None:
            return
        self._decoder = KeypointDecoder(self._tables, near=index)
        self._decoder.know(index, decode_keypoints(keypoints, self._count))
        self._ends.append(Arrived(index, keypoints))

    def _take_source(self, index: int, keypoints: Keypoints) -> None:
        assert self._decoder is not None  # checked before
        self._decoder.set_source(index, keypoints)
