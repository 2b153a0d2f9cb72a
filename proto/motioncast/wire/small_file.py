"""Small files named by a user: keys, certificates."""

from __future__ import annotations

from pathlib import Path

from motioncast.wire.errors import InvalidInputError


def read_small(path: Path, most_bytes: int, field: str) -> bytes:
    """Returns the contents of a file.

    Args:
        path: The file.
        most_bytes: Its maximum size; no more is read.
        field: Setting that names the file, for error messages.

    Raises:
        InvalidInputError: The file cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise InvalidInputError.of(field, f"{path} cannot be read ({error.strerror})") from None
    if len(data) > most_bytes:
        raise InvalidInputError.of(field, f"{path} is larger than {most_bytes} bytes")
    return data
