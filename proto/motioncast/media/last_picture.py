"""Whether the last picture of a raw HEVC stream is complete, although no length is stored.

An arithmetic decoder ends where the slice says, and the bytes behind it make no difference. If a
slice was cut off, FFmpeg decodes whatever follows, without an error: so the last group of pictures
is decoded twice, with different bytes behind it, and has to come out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

RAW: Final = frozenset({"hevc"})  # FFmpeg's names; its H.264 decoder detects the cut itself
MAX_GROUP_BYTES: Final = 2**26  # larger groups are not checked
# Neither contains a start code or needs escaping; both are longer than a row of coding units.
_BEHIND: Final = (b"\x55" * 4096, b"\xb7\x1d" * 2048)


class LastGroup:
    """Keeps the packets since the last key picture.

    Attributes:
        packets: In stream order, beginning with a key picture's.
    """

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self._size = 0

    def add(self, data: bytes, *, key: bool) -> None:
        """Takes the next packet."""
        if key:
            self.packets, self._size = [], 0
        self._size += len(data)
        if self._size <= MAX_GROUP_BYTES:
            self.packets.append(data)

    def is_cut_off(self, codec: str) -> bool:
        """Returns whether the last picture depends on the bytes behind it."""
        if not self.packets or self._size > MAX_GROUP_BYTES:
            return False
        try:
            first, second = (_decoded(codec, self.packets, behind) for behind in _BEHIND)
        except av.FFmpegError:
            return True
        if len(first) != len(second):
            return True
        return any((one != two).any() for one, two in zip(first, second, strict=True))


def _decoded(codec: str, packets: Sequence[bytes], behind: bytes) -> list[NDArray[np.uint8]]:
    """Returns the planes of the pictures that the last packet may have affected."""
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    for data in packets[:-1]:
        decoder.decode(av.Packet(data))
    left = [*decoder.decode(av.Packet(packets[-1] + behind)), *decoder.decode(None)]
    return [np.frombuffer(bytes(plane), np.uint8) for frame in left for plane in frame.planes]
