"""Recognises kinds of files that cannot be read here, so that error messages can name them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

_KINDS: Final = (  # offset, bytes, kind of file
    (0, b"%PDF-", "a PDF document"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (4, b"ftypcrx ", "camera raw data"),
    (0, b"II*\0\x10\0\0\0CR", "camera raw data"),
    (0, b"FUJIFILMCCD-RAW", "camera raw data"),
    (0, b"IIRO", "camera raw data"),
    (0, b"IIU\0", "camera raw data"),
    (0, b"PK\x03\x04", "an archive"),
    (0, b"\x1f\x8b", "a compressed file"),
    (0, b"<!DOCTYPE html", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"version https://git-lfs", "a Git LFS pointer"),
)
_HEAD: Final = 256


def named(problem: str, path: Path) -> str:
    """Returns a problem, followed by the kind of file if it is known."""
    kind = _kind(path)
    return problem if kind is None else f"{problem} ({kind})"


def _kind(path: Path) -> str | None:
    with suppress(OSError), path.open("rb") as file:
        head = file.read(_HEAD)
        if not head:
            return "empty file"
        for at, magic, kind in _KINDS:
            if head[at : at + len(magic)].lower() == magic.lower():
                return kind
        if b"<svg" in head:
            return "an SVG drawing"
    return None
