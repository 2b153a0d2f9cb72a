"""One frame's quantised coefficients as symbols of the range coder.

    scale        of the frame, by the frequencies of its kind of reference
    magnitude    of every coefficient in turn, by the frequencies of its class; 15: escape
    beyond       an escaped magnitude minus 15, as an exponential Golomb code
    sign         one bit, if the magnitude is not 0

Between two frames of a packet: whether the second follows immediately, else the gap between them.
If the packet says which frames were left out on purpose: whether all since the previous frame
were, else how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from motioncast.codec.errors import BitstreamError
from motioncast.codec.packet import MAX_DISTANCE, MAX_SKIPPED
from motioncast.codec.range_coder import TOTAL, RangeDecoder, RangeEncoder
from motioncast.codec.tables import ESCAPE, CodecTables, Integers, Kind
from motioncast.codec.transform import MAX_MAGNITUDE

_GAPS: Final = (0, TOTAL - (TOTAL >> 3), TOTAL)  # the next frame follows immediately, or not
_SKIPS: Final = _GAPS  # all frames since the previous one were left out on purpose, or not


def write_residual(
    coder: RangeEncoder, tables: CodecTables, kind: Kind, quantised: Integers
) -> None:
    """Writes coefficients (C,) at the scale with the lowest cost."""
    magnitudes = np.abs(quantised)
    symbols = np.minimum(magnitudes, ESCAPE)
    costs = tables.class_costs[tables.frame_classes[kind], symbols].sum(axis=1)  # (16,)
    scale = int(np.argmin(costs + tables.scale_costs[kind]))
    _write(coder, tables.scale_cumulative[kind], scale)
    classes = tables.frame_classes[kind, scale].tolist()
    for one, symbol, value in zip(classes, symbols.tolist(), quantised.tolist(), strict=True):
        _write(coder, tables.class_cumulative[one], symbol)
        if symbol == ESCAPE:
            write_golomb(coder, abs(value) - ESCAPE)
        if symbol:
            coder.encode_bits(int(value < 0), 1)


def read_residual(coder: RangeDecoder, tables: CodecTables, kind: Kind) -> Integers:
    """Returns the coefficients (C,) that were written.

    Raises:
        BitstreamError: The bytes represent no coefficients.
    """
    scale = coder.decode(tables.scale_cumulative[kind])
    values = []
    for one in tables.frame_classes[kind, scale].tolist():
        value = coder.decode(tables.class_cumulative[one])
        if value == ESCAPE:
            value += read_golomb(coder, MAX_MAGNITUDE - ESCAPE)
        if value and coder.decode_bits(1):
            value = -value
        values.append(value)
    return np.array(values, np.int64)


def write_gap(coder: RangeEncoder, gap: int) -> None:
    """Writes how many frames ahead, 1 to 252, the next frame of a packet is."""
    _write(coder, _GAPS, int(gap > 1))
    if gap > 1:
        write_golomb(coder, gap - 2)


def read_gap(coder: RangeDecoder) -> int:
    """Returns the gap written by `write_gap`; raises BitstreamError for more than 252."""
    return 1 if coder.decode(_GAPS) == 0 else 2 + read_golomb(coder, MAX_DISTANCE - 2)


def write_skipped(coder: RangeEncoder, skipped: int, since: int) -> None:
    """Writes how many frames directly before a frame were left out on purpose.

    Args:
        coder: The encoder to write to.
        skipped: 0 to MAX_SKIPPED.
        since: Frames between it and the previous one, which the decoder knows; 0 if none is known.
    """
    _write(coder, _SKIPS, int(skipped != since))
    if skipped != since:
        write_golomb(coder, skipped)


def read_skipped(coder: RangeDecoder, since: int) -> int:
    """Returns the count of `write_skipped`; raises BitstreamError for more than MAX_SKIPPED."""
    return since if coder.decode(_SKIPS) == 0 else read_golomb(coder, MAX_SKIPPED)


def write_golomb(coder: RangeEncoder, value: int) -> None:
    """Writes a number of 0 or more: n ones, a zero, and the last n bits of it plus 1."""
    length = (value + 1).bit_length() - 1
    for _ in range(length):
        coder.encode_bits(1, 1)
    coder.encode_bits(0, 1)
    for place in reversed(range(length)):
        coder.encode_bits(value + 1 >> place & 1, 1)


def read_golomb(coder: RangeDecoder, highest: int) -> int:
    """Returns a number of 0 to `highest`; raises BitstreamError for a larger one."""
    length = 0
    while coder.decode_bits(1):
        length += 1
        if length > highest.bit_length():
            raise BitstreamError(f"packet: a number exceeds {highest}")
    value = 1
    for _ in range(length):
        value = value << 1 | coder.decode_bits(1)
    if value - 1 > highest:
        raise BitstreamError(f"packet: a number exceeds {highest}")
    return value - 1


def _write(coder: RangeEncoder, cumulative: Sequence[int], symbol: int) -> None:
    start = cumulative[symbol]
    coder.encode(start, cumulative[symbol + 1] - start)
