"""Bearer tokens: as call metadata, and in a file that is renewed by something else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from motioncast.wire.errors import InvalidInputError

MAX_TOKEN_BYTES: Final = 4096
_HEADER: Final = "authorization"


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata of a call with a token.

    Raises:
        InvalidInputError: It is empty, too long or not visible ASCII; no part of it appears in the
            message.
    """
    token = token.strip()
    if not 0 < len(token) <= MAX_TOKEN_BYTES or not all("!" <= letter <= "~" for letter in token):
        raise InvalidInputError.of(
            "token", f"is not 1 to {MAX_TOKEN_BYTES} printable ASCII characters without a space"
        )
    return ((_HEADER, f"Bearer {token}"),)


class TokenFile:
    """Reads a token from a file, again whenever it changes.

    Args:
        path: The file with the token, possibly followed by a newline.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        """Returns the current token; InvalidInputError when the file cannot be read."""
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp != self._stamp:
                with self._path.open(encoding="ascii", errors="replace") as file:
                    self._token = file.read(MAX_TOKEN_BYTES + 2).strip()
                self._stamp = stamp
        except OSError as error:
            problem = f"{self._path} cannot be read ({error.strerror})"
            raise InvalidInputError.of("token_file", problem) from None
        return self._token

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns a call's metadata; raises InvalidInputError as `bearer`, and for the file."""
        return bearer(self())
