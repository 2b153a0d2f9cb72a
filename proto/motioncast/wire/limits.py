"""The contract's ranges for numbers and for the lengths of lists."""

from __future__ import annotations

from motioncast.wire.errors import InvalidInputError


def check_range(field: str, value: int, low: int, high: int) -> None:
    """Raises InvalidInputError unless low <= value <= high; for a list, pass its length."""
    if value < low:
        raise InvalidInputError.of(field, f"{value} is less than {low}")
    if value > high:
        raise InvalidInputError.of(field, f"{value} exceeds the limit of {high}")
