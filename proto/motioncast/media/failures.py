"""Converts FFmpeg's errors to one sentence that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from motioncast.media.errors import MediaError
from motioncast.media.names import shown
from motioncast.media.unread import named


@contextmanager
def media_errors(path: Path, problem: str) -> Iterator[None]:
    """Converts FFmpeg's errors to a sentence that names the file."""
    name = shown(path.name)
    try:
        yield
    except MediaError as error:
        if str(error).startswith(name):
            raise
        raise MediaError(f"{name}: {error}") from error
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        if problem.startswith("not a readable"):
            problem = named(problem, path)
        elif problem == "cannot be written" and getattr(error, "strerror", None):
            problem = f"{problem}: {error.strerror}"  # type: ignore[union-attr]
        raise MediaError(f"{name}: {problem}") from error
