"""A range coder that works in bytes, and keeps no more of them than the decoder needs.

    [low, low + range)   the numbers that represent the coded symbols, narrowed by each symbol

The frequencies of an alphabet add up to 2^15. The range has 32 bits and is shifted up by a byte
when it falls below 2^24, so rounding costs at most 0.05 % on average. `low` is an integer of any
length, so carries need no special handling. At the end, the shortest byte string is kept that,
followed by zeros, lies in the interval: on average a third of a byte more than the information,
and nothing at all if everything was almost certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Final

from motioncast.codec.errors import BitstreamError

TOTAL_BITS: Final = 15
TOTAL: Final = 1 << TOTAL_BITS  # sum of the frequencies of an alphabet

_START: Final = 1 << 32
_LEAST: Final = 1 << 24


class RangeEncoder:
    """Writes symbols; `finish` returns the bytes."""

    def __init__(self) -> None:
        self._low = 0
        self._range = _START
        self._bytes = 4  # length of `low`

    def encode(self, start: int, frequency: int) -> None:
        """Narrows the interval to [start, start + frequency) of 2^15; frequency is positive."""
        share = self._range >> TOTAL_BITS
        self._low += share * start
        self._range = share * frequency
        self._move_up()

    def encode_bits(self, value: int, bits: int) -> None:
        """Writes a number of up to 15 bits, all values equally likely."""
        share = self._range >> bits
        self._low += share * value
        self._range = share
        self._move_up()

    @property
    def information_bits(self) -> float:
        """The size of what was written so far, if packets could have fractions of a bit."""
        return 8 * self._bytes - log2(self._range)

    def finish(self) -> bytes:
        """Returns the shortest bytes from which a decoder reads everything."""
        for length in range(self._bytes + 1):
            step = 8 * (self._bytes - length)
            value = -(-self._low >> step)  # the next multiple of 2^step
            if value << step < self._low + self._range:
                return value.to_bytes(length, "big")
        raise AssertionError("an interval holds at least one number")

    def _move_up(self) -> None:
        while self._range < _LEAST:
            self._low <<= 8
            self._range <<= 8
            self._bytes += 1


class RangeDecoder:
    """Reads the output of a `RangeEncoder`; zeros follow the end of the bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 4
        self._range = _START
        self._code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    @property
    def position(self) -> int:
        """Bytes read so far, including zeros past the end."""
        return self._position

    def decode(self, cumulative: Sequence[int]) -> int:
        """Returns the symbol s whose interval [cumulative[s], cumulative[s + 1]) comes next.

        Args:
            cumulative: From 0 to 2^15, increasing; one more than there are symbols.

        Raises:
            BitstreamError: The bytes represent no symbol.
        """
        share, place = self._place(TOTAL_BITS)
        symbol = 0
        while cumulative[symbol + 1] <= place:  # small symbols are the likely ones
            symbol += 1
        start = cumulative[symbol]
        self._code -= share * start
        self._range = share * (cumulative[symbol + 1] - start)
        self._move_up()
        return symbol

    def decode_bits(self, bits: int) -> int:
        """Returns a number of up to 15 bits; raises BitstreamError as `decode` does."""
        share, value = self._place(bits)
        self._code -= share * value
        self._range = share
        self._move_up()
        return value

    def _place(self, bits: int) -> tuple[int, int]:
        share = self._range >> bits
        place = self._code // share
        if place >> bits:  # in the remainder of the division
            raise BitstreamError("packet: its bytes decode to no symbol")
        return share, place

    def _move_up(self) -> None:
        while self._range < _LEAST:
            following = self._data[self._position : self._position + 1] or b"\0"
            self._code = self._code << 8 | following[0]
            self._range <<= 8
            self._position += 1
