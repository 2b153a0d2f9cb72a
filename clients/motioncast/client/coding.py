"""Keypoint coding on the sender's side: a server's tables, and packets coded with them.

    tables = await service.codec_tables("face256")   fetched once, checked by their SHA-256
    coder = KeypointCoder(tables.tables)             keypoints in, packets out

docs/bitstream.md specifies the packets.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar, Final

import grpc
import numpy as np

from motioncast.client.errors import InvalidRequestError, ServerError, from_rpc
from motioncast.client.types import Keypoints
from motioncast.client.ways import Ways
from motioncast.codec import (
    DEFAULT_COARSENESS,
    MAX_COARSENESS,
    CodecTables,
    EncodedPacket,
    EncodingError,
    FrameReference,
    KeypointEncoder,
    Reference,
    SourceReference,
)
from motioncast.codec.packet import MAX_DISTANCE
from motioncast.codec.tables_file import ModelTables as ModelTables
from motioncast.v1.common_pb2 import CodedKeypoints, Crop, ModelInfo
from motioncast.v1.motion_transfer_pb2 import GetCodecTablesRequest, GetServerInfoRequest
from motioncast.wire.codec import decode_tables
from motioncast.wire.errors import InvalidInputError

_KEPT: Final = 8  # models whose tables a process caches
_ANSWER_SECONDS: Final = 10.0  # for a request that costs a server nothing


class TablesOfModels:
    """The codec tables of a server's models.

    Tables are identified by their SHA-256: they are fetched once, from whichever server.

    Args:
        ways: The connections to the server.
    """

    _known: ClassVar[dict[str, ModelTables]] = {}  # by digest, newest last; shared by the process
    _lock: ClassVar = threading.Lock()

    def __init__(self, ways: Ways) -> None:
        self._ways = ways

    def of(self, model: str | None, timeout: float | None) -> ModelTables:
        """Returns the tables of a model, or of the server's default model for None.

        Raises:
            InvalidRequestError: The model is not served, or has no tables.
            MotioncastError: As every call does.
        """
        seconds = _ANSWER_SECONDS if timeout is None else min(timeout, _ANSWER_SECONDS)
        info = self._ask("GetServerInfo", GetServerInfoRequest(), seconds)
        named = [one for one in info.models if model in (None, one.name)]
        if not named:
            served = ", ".join(one.name for one in info.models)
            raise InvalidRequestError.of(
                "model", f"{model!r} is not served (expected one of {served})"
            )
        return self._of(named[0], seconds)

    def _of(self, model: ModelInfo, seconds: float) -> ModelTables:
        if not model.codec_tables:
            raise InvalidRequestError.of(
                "keypoint_encoding",
                f"{model.name} has no codec tables, so its keypoints are sent as floats",
            )
        with self._lock:
            found = self._known.get(model.codec_tables)
        if found is None or found.tables.keypoints != model.keypoints:
            request = GetCodecTablesRequest(model=model.name)
            answer = self._ask("GetCodecTables", request, seconds)
            try:
                found = decode_tables(answer.tables, model.codec_tables, model.keypoints)
            except InvalidInputError as error:
                raise ServerError(
                    f"the codec tables of {model.name} cannot be used: {error}"
                ) from error
            with self._lock:
                while len(self._known) >= _KEPT:
                    del self._known[next(iter(self._known))]
                self._known[found.digest] = found
        return found

    def _ask(self, method: str, request: Any, seconds: float) -> Any:
        way = self._ways.used
        try:
            return getattr(way.stub, method)(request, timeout=seconds)
        except grpc.RpcError as failure:
            raise from_rpc(failure, way.target, seconds) from failure


class KeypointCoder:
    """Codes the frames of one session for a link that is lossless and preserves order.

    A frame is coded as the difference from the previous one; the first frame, and one too far from
    its predecessor, from source 0. `motioncast.sending` is for links that lose packets.

    Args:
        tables: The model's codec tables.
        coarseness: 0 to 7, half an octave apart; 2 is the step size of the tables.
        packet_frames: Frames in each packet, 1 to 8: more means fewer headers, and more delay.

    Attributes:
        newest: Index of the newest frame that has been coded; -1 before the first.
        ends: Index of the last frame of each packet; the caller removes them.
    """

    def __init__(
        self, tables: CodecTables, coarseness: int = DEFAULT_COARSENESS, packet_frames: int = 1
    ) -> None:
        self._encoder = KeypointEncoder(tables)
        self._coarseness = coarseness
        self._packet_frames = packet_frames
        self._waiting: list[tuple[int, Keypoints]] = []
        self._skipped: dict[int, int] = {}  # frames skipped before each waiting frame
        self._waiting_crop: Crop | None = None
        self._told: Crop | None = None  # the crop that the receiver knows
        self.newest = -1
        self.ends: list[int] = []

    def set_source(self, index: int, keypoints: Keypoints) -> list[CodedKeypoints]:
        """Takes a source (K, 3); returns the packets that have to be sent before it."""
        packets = self.flush()
        self._encoder.set_source(index, np.asarray(keypoints, np.float32))
        return packets

    def push(
        self, index: int, keypoints: Keypoints, crop: Crop | None = None, skipped: int = 0
    ) -> list[CodedKeypoints]:
        """Takes a frame (K, 3) later than all before; returns the packets it completes.

        Args:
            index: The frame's index on the timeline.
            keypoints: The frame's keypoints.
            crop: The crop they belong to; all frames of a packet share one.
            skipped: How many frames directly before it were left out on purpose.
        """
        packets = []
        if self._waiting and (
            index - self._waiting[-1][0] > MAX_DISTANCE or crop != self._waiting_crop
        ):
            packets += self.flush()
        self._waiting.append((index, np.asarray(keypoints, np.float32)))
        self._skipped[index] = skipped
        self._waiting_crop = crop
        if len(self._waiting) == self._packet_frames:
            packets += self.flush()
        return packets

    def preview(self, index: int, keypoints: Keypoints) -> Keypoints:
        """Returns a frame (K, 3) as it will be decoded once it is pushed; changes no state.

        If its packet is too large at the session's coarseness, the real one will be coarser.
        """
        frames = [*self._waiting, (index, np.asarray(keypoints, np.float32))]
        if self._waiting and index - self._waiting[-1][0] > MAX_DISTANCE:
            frames = frames[-1:]
        reference = self._reference(frames[0][0])
        decoded: Keypoints = self._encoder.preview(frames, reference, self._coarseness)[-1]
        return decoded

    def flush(self) -> list[CodedKeypoints]:
        """Returns the packets of the waiting frames."""
        frames, self._waiting = self._waiting, []
        packets = self._coded(frames) if frames else []
        if packets and self._waiting_crop is not None and self._waiting_crop != self._told:
            packets[0].crop.CopyFrom(self._waiting_crop)
            self._told = self._waiting_crop
        return packets

    def _coded(self, frames: list[tuple[int, Keypoints]]) -> list[CodedKeypoints]:
        try:
            packet = self._encode(frames, self._coarseness)
        except EncodingError:
            if len(frames) > 1:  # more than fit into a packet
                half = len(frames) // 2
                return [*self._coded(frames[:half]), *self._coded(frames[half:])]
            packet = self._encode(frames, MAX_COARSENESS)
        self.newest = frames[-1][0]
        self.ends.append(self.newest)
        for index, _ in frames:
            del self._skipped[index]
        return [CodedKeypoints(data=packet.data)]

    def _encode(self, frames: list[tuple[int, Keypoints]], coarseness: int) -> EncodedPacket:
        skipped = [self._skipped[index] for index, _ in frames]
        return self._encoder.encode(frames, self._reference(frames[0][0]), coarseness, skipped)

    def _reference(self, index: int) -> Reference:
        near = self.newest >= 0 and index - self.newest <= MAX_DISTANCE
        return FrameReference(self.newest) if near else SourceReference(0)
