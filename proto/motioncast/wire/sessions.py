"""The session that a call belongs to: carried in metadata, and visible to all work done for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

METADATA_KEY: Final = "motioncast-session"
SESSION: Final[ContextVar[str]] = ContextVar("motioncast_session", default="")  # "": none

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")  # nothing else is allowed into a log


def session_metadata() -> tuple[tuple[str, str], ...]:
    """Returns the metadata that tells a call's server the session; empty if there is none."""
    session = SESSION.get()
    return ((METADATA_KEY, session),) if session else ()


def session_of(metadata: Iterable[tuple[str, Any]]) -> str:
    """Returns the session in a call's metadata; "" if there is none, or its name is invalid."""
    for key, value in metadata:
        if key == METADATA_KEY and isinstance(value, str) and _NAME.fullmatch(value):
            return value
    return ""
