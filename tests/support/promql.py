"""Parses Prometheus queries."""

from __future__ import annotations

import re
from typing import Final

_NOT_METRICS: Final = (
    r'"[^"]*"',
    r"\{[^}]*\}",
    r"\[[^\]]*\]",
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)",
    r"\boffset\s+\w+",
    r"\$\w+",
)
_WORDS: Final = {"and", "or", "unless", "bool", "by", "offset"}


def metrics_of(expression: str) -> set[str]:
    """Returns the names of the metrics in a query.

    Ignores strings, label sets, ranges, groupings and functions.
    """
    for pattern in _NOT_METRICS:
        expression = re.sub(pattern, " ", expression)
    names = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\w|\s*\()", expression)
    return set(names) - _WORDS
