"""Small files that a user names: keys, certificates."""

from __future__ import annotations

from pathlib import Path

from motioncast.wire.errors import InvalidInputError


def read_small(path: Path, most_bytes: int, field: str) -> bytes:
    """Returns what a file holds.

    Args:
        path: The file.
        most_bytes: It may have; no more is read.
        field: Setting that names it, for the sentence of an error.

    Raises:
        InvalidInputError: It cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise InvalidInputError.of(field, f"{path} cannot be read ({error.strerror})") from None
    if len(data) > most_bytes:
        raise InvalidInputError.of(field, f"{path} is larger than {most_bytes} bytes")
    return data
