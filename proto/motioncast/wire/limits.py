"""The contract's ranges for numbers and for the lengths of lists, and the transport's window."""

from __future__ import annotations

from typing import Final

from motioncast.wire.errors import InvalidInputError

# HTTP/2's window of a stream, at both ends: raw frames of 256 x 256 at 25 a second fill it only on
# links of more than 200 ms.
READ_AHEAD_BYTES: Final = 2**20


def check_range(field: str, value: int, low: int, high: int) -> None:
    """Raises InvalidInputError unless low <= value <= high; for a list, pass its length."""
    if value < low:
        raise InvalidInputError.of(field, f"{value} is less than {low}")
    if value > high:
        raise InvalidInputError.of(field, f"{value} exceeds the limit of {high}")
