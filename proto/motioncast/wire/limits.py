"""The ranges that the contract gives to numbers and to the lengths of lists."""

from __future__ import annotations

from motioncast.wire.errors import InvalidInputError


def check_range(field: str, value: int, low: int, high: int) -> None:
    """Raises InvalidInputError unless low <= value <= high; a list's value is its length."""
    if value < low:
        raise InvalidInputError.of(field, f"{value} is less than {low}")
    if value > high:
        raise InvalidInputError.of(field, f"{value} exceeds the limit of {high}")
