"""Checks of single options, each with an error in the option's words."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeVar

from motioncast.client.errors import InvalidRequestError

T = TypeVar("T")


def named(field: str, name: str, known: Mapping[Any, T]) -> T:
    """Returns the value known under a name; InvalidRequestError for an unknown name."""
    if name not in known:
        raise InvalidRequestError.of(
            field, f"{name!r} is unknown (expected one of {', '.join(known)})"
        )
    return known[name]


def whole_number(field: str, value: int, low: int, high: int) -> int:
    """Returns a whole number within [low, high]; InvalidRequestError otherwise."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidRequestError.of(field, f"{value!r} is not a whole number") from None
    if number < low:
        raise InvalidRequestError.of(field, f"{number} is below {low}")
    if number > high:
        raise InvalidRequestError.of(field, f"{number} exceeds the limit of {high}")
    return number


def text(field: str, value: str) -> str:
    """Returns a string; InvalidRequestError for anything else."""
    if not isinstance(value, str):
        raise InvalidRequestError.of(field, f"{value!r} is not a string")
    return value


def frame_rate_of(value: float) -> float:
    """Returns a frame rate in (0, 240] frames per second; InvalidRequestError otherwise."""
    if not isinstance(value, Real):
        raise InvalidRequestError.of("frame_rate", f"{value!r} is not a number")
    if not 0 < value <= 240:
        raise InvalidRequestError.of("frame_rate", f"{value:g} is not in (0, 240]")
    return float(value)
