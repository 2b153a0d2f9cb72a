"""The four-byte header of a packet, and what it can refer to.

byte 0     version, 2 bits: 1, 2     frames minus 1, 3 bits     coarseness, 3 bits
byte 1, 2  index of the first frame modulo 2^16, high byte first
byte 3     0 to 3: that source    4 to 255: the frame 1 to 252 before the first one

Version 2 additionally says which frames were left out on purpose; nothing else differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from motioncast.codec.errors import BitstreamError, EncodingError
from motioncast.codec.tables import Kind

VERSION: Final = 1
SKIPPING_VERSION: Final = 2  # says which frames were left out on purpose
HEADER_BYTES: Final = 4
MAX_PACKET_FRAMES: Final = 8
MAX_PACKET_BYTES: Final = 1200  # fits into a datagram on any network
MAX_COARSENESS: Final = 7
DEFAULT_COARSENESS: Final = 2  # the step size of the tables
MAX_SOURCES: Final = 4
MAX_DISTANCE: Final = 255 - MAX_SOURCES + 1
MAX_SKIPPED: Final = 1023  # frames left out on purpose before a frame

_INDICES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class FrameReference:
    """An earlier frame that both ends have."""

    index: int


@dataclass(frozen=True, slots=True)
class SourceReference:
    """A source that both ends have: no history is needed."""

    source: int = 0  # 0 to 3


Reference = FrameReference | SourceReference


@dataclass(frozen=True, slots=True)
class Header:
    """What a packet states before its frames."""

    frames: int  # 1 to 8
    coarseness: int  # 0 to 7
    index: int  # of the first frame, modulo 2^16 when parsed
    source: int | None  # 0 to 3; None when it refers to a frame
    distance: int  # back to that frame, 1 to 252; 0 with a source
    version: int = VERSION

    @property
    def kind(self) -> Kind:
        """What the first frame's residual refers to."""
        if self.source is not None:
            return Kind.ANCHOR
        return Kind.STEP if self.distance == 1 else Kind.LEAP

    def to_bytes(self) -> bytes:
        """Returns the four bytes."""
        first = self.version << 6 | self.frames - 1 << 3 | self.coarseness
        last = self.distance + MAX_SOURCES - 1 if self.source is None else self.source
        return bytes([first]) + (self.index % _INDICES).to_bytes(2, "big") + bytes([last])


def header_of(
    frames: int, coarseness: int, index: int, reference: Reference, version: int = VERSION
) -> Header:
    """Returns the header of a packet.

    Raises:
        EncodingError: A number is out of its range.
    """
    _require(1 <= frames <= MAX_PACKET_FRAMES, f"frames: {frames}, the limit is 1 to 8")
    _require(0 <= coarseness <= MAX_COARSENESS, f"coarseness: {coarseness} is not 0 to 7")
    _require(index >= 0, f"index: {index} is negative")
    if isinstance(reference, SourceReference):
        known = 0 <= reference.source < MAX_SOURCES
        _require(known, f"source: {reference.source} is not 0 to {MAX_SOURCES - 1}")
        return Header(frames, coarseness, index, reference.source, 0, version)
    distance = index - reference.index
    _require(
        1 <= distance <= MAX_DISTANCE,
        f"reference: frame {reference.index} is not 1 to {MAX_DISTANCE} frames before {index}",
    )
    return Header(frames, coarseness, index, None, distance, version)


def parse_header(data: bytes) -> Header:
    """Returns the header of a packet.

    Raises:
        BitstreamError: It is too short or too long, or of another version.
    """
    if not HEADER_BYTES <= len(data) <= MAX_PACKET_BYTES:
        raise BitstreamError(
            f"packet: {len(data)} bytes, expected {HEADER_BYTES} to {MAX_PACKET_BYTES}"
        )
    first, last = data[0], data[3]
    version = first >> 6
    if version not in (VERSION, SKIPPING_VERSION):
        raise BitstreamError(f"packet: version {version}, expected {VERSION} or {SKIPPING_VERSION}")
    from_source = last < MAX_SOURCES
    return Header(
        frames=(first >> 3 & 7) + 1,
        coarseness=first & 7,
        index=int.from_bytes(data[1:3], "big"),
        source=last if from_source else None,
        distance=0 if from_source else last - MAX_SOURCES + 1,
        version=version,
    )


def unwrap(index: int, newest: int) -> int:
    """Returns the frame that an index modulo 2^16 stands for: the one nearest to the newest frame.

    Raises:
        BitstreamError: It would lie before frame 0.
    """
    ahead = (index - newest + _INDICES // 2) % _INDICES - _INDICES // 2
    if newest + ahead < 0:
        raise BitstreamError(f"packet: index {index} is before the first frame")
    return newest + ahead


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise EncodingError(problem)
