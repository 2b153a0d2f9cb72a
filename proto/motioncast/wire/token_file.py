"""A bearer token in a file that somebody else renews, and how tokens travel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from motioncast.wire.errors import InvalidInputError

MAX_TOKEN_BYTES: Final = 4096
_HEADER: Final = "authorization"


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata of a call that brings a token.

    Raises:
        InvalidInputError: It is empty, too long or not of visible ASCII letters; no part of it is
            in the sentence.
    """
    token = token.strip()
    if not 0 < len(token) <= MAX_TOKEN_BYTES or not all("!" <= letter <= "~" for letter in token):
        raise InvalidInputError.of(
            "token", f"is not 1 to {MAX_TOKEN_BYTES} visible ASCII letters without a space"
        )
    return ((_HEADER, f"Bearer {token}"),)


class TokenFile:
    """Reads the file again when it has changed.

    Args:
        path: Holds the token, and a new line perhaps.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        """Returns the token as it is now; InvalidInputError when the file cannot be read."""
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
        """Returns what a call brings; InvalidInputError as `bearer`, and for the file."""
        return bearer(self())
