"""The sender's end, whatever takes the packets: keypoints in, packets out.

    sender = Sender(opening, tables)
    sender.set_source(0, keypoints)
    for packet in sender.push(index, keypoints, crop): network.send(packet.data)

Which frames go, how many in a packet and against which is `motioncast.sending`.
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
    """A packet to be sent now."""

    data: bytes
    frames: tuple[int, ...]  # indices, in order
    crop: Crop | None = None  # what its frames show, where that has changed


class Sender:
    """Codes the keypoints of one room.

    Args:
        opening: What the receivers are told.
        tables: Of the model that it names.
        policy: Which frames go; None sends those that the opening's pattern has.
        wait_frames: How long a frame may wait for others to go with it.
        coarseness: Of the codec, 0 to 7.

    Raises:
        InvalidRequestError: The tables are others than the opening says, or a number is out of its
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
            raise InvalidRequestError.of("tables", "are not those that the opening names")
        if not 0 <= coarseness <= 7:
            raise InvalidRequestError.of("coarseness", f"{coarseness} is not 0 to 7")
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
        self._crop: Crop | None = None  # of what waits
        self._told: Crop | None = None  # what the receivers know

    def set_source(self, index: int, keypoints: Keypoints) -> list[OutgoingPacket]:
        """Takes a source's keypoints (K, 3); returns the packets that have to go before it.

        Raises:
            InvalidRequestError: They do not fit the model, or no source has that index.
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
            index: On the timeline.
            keypoints: (K, 3).
            crop: What of the sender's picture they are of.
            anchor_wanted: Somebody needs a packet that refers to a source.

        Raises:
            InvalidRequestError: There is no source yet, the index goes back, or the keypoints are
                not the model's.
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
        """Returns what is left at the end."""
        return self._packed(self._sender.flush())

    def _packed(self, packets: list[SentPacket]) -> list[OutgoingPacket]:
        made = []
        for packet in packets:
            news = self._crop if self._crop != self._told else None
            self._told = self._crop
            made.append(OutgoingPacket(packet.data, packet.frames, news))
        return made
