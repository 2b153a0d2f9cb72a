"""Which session a call belongs to: told by metadata, and known to all that runs for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

METADATA_KEY: Final = "motioncast-session"
SESSION: Final[ContextVar[str]] = ContextVar("motioncast_session", default="")  # "": none

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")  # nothing else gets into a log


def session_metadata() -> tuple[tuple[str, str], ...]:
    """Returns what a call sends along so that its server knows the session; empty without one."""
    session = SESSION.get()
    return ((METADATA_KEY, session),) if session else ()


def session_of(metadata: Iterable[tuple[str, Any]]) -> str:
    """Returns the session that a call's metadata tells of; "" when none, or no proper name."""
    for key, value in metadata:
        if key == METADATA_KEY and isinstance(value, str) and _NAME.fullmatch(value):
            return value
    return ""
