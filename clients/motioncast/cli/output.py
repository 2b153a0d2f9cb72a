"""Atomic output: written to a temporary place, moved into its final place at the end."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES
from pathlib import Path
from typing import Any, Final

from motioncast.media import unfinished_folder

UNFINISHED: Final = ".partial-"  # prefix of the temporary folders' names


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder whose files move into `folder` when the block succeeds.

    Files of the same name are replaced, with one atomic rename each; other files in `folder` stay.
    If the block raises, nothing is left behind, not even `folder` if it did not exist before. The
    temporary folder is inside `folder`, because a rename must not cross file systems and the parent
    of a mounted volume need not be writable; leftovers of killed runs are removed.

    Raises:
        NotADirectoryError: `folder` or one of its parents is a file.
        PermissionError: Nothing can be written there.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(f"{folder}: is a file, not a folder") from error
    try:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES), str(folder))
        with unfinished_folder(folder, UNFINISHED) as temporary:
            yield temporary
            for file in sorted(temporary.iterdir()):
                os.replace(file, folder / file.name)
    finally:
        for path in missing:
            with contextlib.suppress(OSError):  # not empty: the block succeeded
                path.rmdir()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields the path of a temporary file that replaces `path` when the block succeeds.

    Raises:
        IsADirectoryError: `path` is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, not a file")
    with whole_folder(path.parent) as temporary:
        yield temporary / path.name


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON. NaN and infinity, which JSON lacks, raise ValueError."""
    text = json.dumps(value, indent=2, allow_nan=False)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
