"""File names, in the form that FFmpeg needs and in the form that people read."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from motioncast.media.errors import MediaError

File: TypeAlias = str | PathLike[str]


def shown(name: File) -> str:
    """Returns a name that can be printed and written as UTF-8, whatever bytes it consists of.

    Invalid UTF-8 and control characters are shown as U+FFFD.
    """
    text = fspath(name).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def for_ffmpeg(path: Path) -> str:
    """Returns the name of a file for FFmpeg, whatever characters it contains.

    `10:30 call.mp4` would be a protocol called 10, and `-` the standard input.
    """
    return f"file:{path}"


def existing(path: File) -> Path:
    """Returns the path of a file; MediaError if it does not exist."""
    path = Path(path)
    if not path.exists():
        raise MediaError(f"{shown(path)}: no such file")
    if not path.is_file():
        raise MediaError(f"{shown(path)}: not a file")
    return path
