"""What is being written lies aside until it is whole; what a killed run left is swept by the next.

Whoever writes holds a lock on what it writes. The system takes the lock away with the process,
however that ends, so that what nobody holds is nobody's. Where there are no such locks (Windows),
nothing is swept.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME: Final = r"[0-9a-z_]{8}"  # as tempfile and this module make them


@contextmanager
def unfinished_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Gives an empty folder `prefix` + 8 letters in `parent`, gone at the end if still there.

    Folders of the same prefix that no process holds are removed first.
    """
    yield from _unfinished(parent, prefix, "", folder=True)


@contextmanager
def unfinished_file(parent: Path, prefix: str, suffix: str) -> Iterator[Path]:
    """Gives an empty file `prefix` + 8 letters + `suffix`, likewise."""
    yield from _unfinished(parent, prefix, suffix, folder=False)


def sweep(parent: Path, prefix: str, suffix: str = "") -> None:
    """Removes what runs that were killed have left in a folder; what cannot be removed stays."""
    name = re.compile(re.escape(prefix) + _NAME + re.escape(suffix))
    with suppress(OSError):
        for path in sorted(parent.iterdir()):
            if not name.fullmatch(path.name) or path.is_symlink():
                continue
            held = _held(path)
            if held is not None:
                _remove(path)
                os.close(held)


def _unfinished(parent: Path, prefix: str, suffix: str, *, folder: bool) -> Iterator[Path]:
    sweep(parent, prefix, suffix)
    held = None
    while True:
        path = parent / f"{prefix}{uuid4().hex[:8]}{suffix}"
        path.mkdir(0o700) if folder else path.touch(exist_ok=False)
        held = _held(path)
        if fcntl is None or (held is not None and path.exists()):
            break  # else another run swept it before it was held
        if held is not None:
            os.close(held)
    try:
        yield path
    finally:
        _remove(path)
        if held is not None:
            os.close(held)


def _held(path: Path) -> int | None:
    """Returns a descriptor that holds a file or folder; None when another does, or nobody can."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
