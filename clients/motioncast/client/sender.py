"""The sender's end, independent of the transport: keypoints in, packets out.

    sender = Sender(opening, tables)
    sender.set_source(0, keypoints)
    for packet in sender.push(index, keypoints, crop): network.send(packet.data)

`motioncast.sending` decides which frames are sent, how many share a packet, and their reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motioncast.client.errors import InvalidRequestError
from motioncast.client.two_ends import Opening
from motioncast.client.types import Keypoints
from motioncast.codec import DEFAULT_COARSENESS, EncodingError
from motioncast.codec.tables_file import ModelTables
from motioncast.framing import Crop
from motioncast.sending import KeypointSender, Policy, Regular, SentPacket


@dataclass(frozen=True, slots=True)
class OutgoingPacket:
    """A packet to send now."""

    data: bytes
    frames: tuple[int, ...]  # indices, in order
    crop: Crop | None = None  # the part of the picture its frames show, if that has changed


class Sender:
    """Codes the keypoints of one room.

    Args:
        opening: What the receivers are told on joining.
        tables: Codec tables of the opening's model.
        policy: Which frames are sent; None: those that the opening's pattern selects.
        wait_frames: How many frames a frame may wait to share a packet with later ones.
        coarseness: Coarseness of the codec, 0 to 7.

    Raises:
        InvalidRequestError: The tables do not match the opening, or a number is out of its
            range.
    """

    def __init__(
        self,
        opening: Opening,
        tables: ModelTables,
        *,
        policy: Policy | None = None,
        wait_frames: int = 0,
        coarseness: int = DEFAULT_COARSENESS,
    ) -> None:
        if tables.digest != opening.codec_tables:
            raise InvalidRequestError.of("tables", "differ from those that the opening names")
        if not 0 <= coarseness <= 7:
            raise InvalidRequestError.of("coarseness", f"{coarseness} is out of range [0, 7]")
        try:
            self._sender = KeypointSender(
                tables.tables,
                Regular(opening.pattern) if policy is None else policy,
                wait_frames=wait_frames,
                coarseness=coarseness,
                pattern=opening.pattern,
            )
        except ValueError as error:
            raise InvalidRequestError("; ".join(map(str, error.args))) from error
        self._crop: Crop | None = None  # of the waiting frames
        self._told: Crop | None = None  # the crop that the receivers know

    def set_source(self, index: int, keypoints: Keypoints) -> list[OutgoingPacket]:
        """Takes a source's keypoints (K, 3); returns the packets that have to be sent before it.

        Raises:
            InvalidRequestError: They do not fit the model, or the index is not valid.
        """
        packets = self._packed(self._sender.flush())
        try:
            self._sender.set_source(index, np.asarray(keypoints, np.float32))
        except ValueError as error:
            raise InvalidRequestError.of("source", str(error)) from error
        return packets

    def push(
        self,
        index: int,
        keypoints: Keypoints,
        crop: Crop | None = None,
        *,
        anchor_wanted: bool = False,
    ) -> list[OutgoingPacket]:
        """Takes a frame, later than all before; returns the packets that are due.

        Args:
            index: The frame's index on the timeline.
            keypoints: (K, 3).
            crop: The part of the sender's picture that they belong to.
            anchor_wanted: Whether a receiver needs a packet that refers to a source.

        Raises:
            InvalidRequestError: There is no source yet, the index goes back, or the keypoints do
                not fit the model.
        """
        packets = self._packed(self._sender.flush()) if crop != self._crop else []
        self._crop = crop
        if anchor_wanted:
            self._sender.ask_for_anchor()
        try:
            made = self._sender.push(index, np.asarray(keypoints, np.float32))
        except (EncodingError, ValueError) as error:
            raise InvalidRequestError.of("keypoints", str(error)) from error
        return packets + self._packed(made)

    def left_out_before(self, end: int) -> int:
        """Returns how many frames directly before the video's end were left out on purpose."""
        return self._sender.left_out_before(end)

    def flush(self) -> list[OutgoingPacket]:
        """Returns the packets of the frames that still wait, at the end of the video."""
        return self._packed(self._sender.flush())

    def _packed(self, packets: list[SentPacket]) -> list[OutgoingPacket]:
        made = []
        for packet in packets:
            news = self._crop if self._crop != self._told else None
            self._told = self._crop
            made.append(OutgoingPacket(packet.data, packet.frames, news))
        return made
