"""Output that appears whole or not at all: written aside, moved into place at the end."""

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

UNFINISHED: Final = ".partial-"  # how the names of folders begin that become part of another


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Gives an unfinished folder whose files move into `folder` when the block ends well.

    Files of the same name are replaced, one atomic rename each; other files in `folder` stay. When
    the block raises, nothing of it is left behind, not even `folder` if it was not there before.
    The unfinished folder lies inside `folder`, because a rename must not cross file systems and the
    parent of a mounted volume need not be writable; those that killed runs left there are removed.

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
            with contextlib.suppress(OSError):  # not empty: the block ended well
                path.rmdir()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives the path of a temporary file that takes the place of `path` when the block ends well.

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
