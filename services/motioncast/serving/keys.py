"""The public keys that tokens are checked with, from a file or a URL (JWKS), refreshed in time.

A file is reloaded whenever it has changed; a URL after five minutes, or earlier when a token names
an unknown key, at most once in ten seconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from motioncast.wire.addresses import is_loopback
from motioncast.wire.errors import InvalidInputError, UnavailableError

MAX_BYTES: Final = 256 * 1024  # all keys together
MAX_KEYS: Final = 64
FETCH_SECONDS: Final = 5.0
FRESH_SECONDS: Final = 300.0  # a URL is not fetched again before
KEPT_SECONDS: Final = 3600.0  # the last keys remain valid for this long if it does not answer
PAUSE_SECONDS: Final = 10.0  # between two attempts
_KINDS: Final = ("EC", "RSA", "OKP")  # public keys; anyone who knows an `oct` key can sign
_MIN_RSA_BITS: Final = 2048

_log: Final = logging.getLogger(__name__)


class Keys:
    """The keys of one source.

    Args:
        file: JWKS (JSON) or one public key (PEM).
        url: Serves JWKS; https, or http on this machine. Exactly one of the two is given.

    Raises:
        InvalidInputError: Neither or both are given, the URL is not encrypted, or the file holds no
            public keys.
    """

    def __init__(self, file: Path | None, url: str | None) -> None:
        if (file is None) == (url is None):
            raise InvalidInputError.of("tokens.keys", "give either a file or a URL of public keys")
        self._file, self._url = file, url
        self._keys: KeySet | None = None
        self._read_at = self._tried_at = -float("inf")
        self._stamp: tuple[int, int, int] | None = None
        self._lock = asyncio.Lock()
        self.version = 0  # incremented when the keys change
        if file is not None:
            self._reread(file)
        elif url is not None:
            parts = urlsplit(url)
            plain_here = parts.scheme == "http" and is_loopback(parts.netloc)
            if not (parts.scheme == "https" or plain_here) or not parts.hostname:
                raise InvalidInputError.of("tokens.keys_url", f"{url!r} is not https://HOST/...")

    def look(self) -> None:
        """Reloads a file if it has changed; a URL is fetched by `current` only."""
        if self._file is not None:
            self._reread(self._file)

    async def current(self, kid: str | None) -> KeySet:
        """Returns the keys, refreshed when they are due, or when none is called `kid`.

        Raises:
            UnavailableError: There are none, because the URL does not answer.
        """
        if self._file is not None:
            self.look()
            assert self._keys is not None
            return self._keys
        if self._is_due(kid):
            async with self._lock:
                if self._is_due(kid):
                    await self._fetch()
        if self._keys is None or time.monotonic() - self._read_at > KEPT_SECONDS:
            raise UnavailableError(
                "token: the keys to verify it are not available now",
                retry_after_seconds=PAUSE_SECONDS,
            )
        return self._keys

    def _is_due(self, kid: str | None) -> bool:
        now = time.monotonic()
        if now - self._tried_at < PAUSE_SECONDS:
            return False
        unknown = kid is not None and kid not in {key.kid for key in (self._keys or _NONE).keys}
        return unknown or self._keys is None or now - self._read_at > FRESH_SECONDS

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        assert self._url is not None
        try:
            async with asyncio.timeout(2 * FETCH_SECONDS):
                data = await asyncio.to_thread(_download, self._url)
            self._take(public_keys(data))
        except (OSError, TimeoutError, ValueError, InvalidInputError) as error:
            _log.warning("keys of tokens are not available from %s: %s", self._url, error)
            return
        self._read_at = time.monotonic()

    def _reread(self, file: Path) -> None:
        """Reloads the file if it has changed; an invalid one is logged and ignored."""
        try:
            stat = file.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            with file.open("rb") as opened:
                self._take(public_keys(opened.read(MAX_BYTES + 1)))
        except OSError as error:
            problem = f"{file} cannot be read ({error.strerror})"
        except InvalidInputError as error:
            problem = f"{file}: {error}"
        else:
            return
        if self._keys is None:
            raise InvalidInputError.of("tokens.keys", problem)
        _log.warning("keeping the previous keys: %s", problem)

    def _take(self, keys: KeySet) -> None:
        self._keys = keys
        self.version += 1


def public_keys(data: bytes) -> KeySet:
    """Parses public keys.

    Args:
        data: JWKS (JSON) or PEM.

    Raises:
        InvalidInputError: There are none or too many, or one is private or too short.
    """
    if len(data) > MAX_BYTES:
        raise InvalidInputError.of("keys", f"more than {MAX_BYTES} bytes")
    try:
        keys = _of_pem(data) if data.lstrip().startswith(b"-----") else _of_json(json.loads(data))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InvalidInputError.of("keys", "is neither JWKS nor a public key in PEM") from None
    if not 0 < len(keys) <= MAX_KEYS:
        raise InvalidInputError.of("keys", f"{len(keys)} public keys; expected 1 to {MAX_KEYS}")
    for key in keys:
        if key.is_private:
            raise InvalidInputError.of(
                "keys", "contains a private key; servers need only public keys"
            )
        if isinstance(key, RSAKey) and key.public_key.key_size < _MIN_RSA_BITS:
            raise InvalidInputError.of("keys", f"an RSA key has fewer than {_MIN_RSA_BITS} bits")
    return KeySet(keys)


def _of_json(document: Any) -> list[Any]:
    kinds: dict[str, Any] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
    described = document["keys"][: MAX_KEYS + 1]
    return [kinds[one["kty"]].import_key(one) for one in described if one.get("kty") in _KINDS]


def _of_pem(data: bytes) -> list[Any]:
    for kind in (ECKey, RSAKey, OKPKey):
        try:
            return [kind.import_key(data)]
        except JoseError:
            continue
    return []


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follows no redirect: keys come only from the configured URL."""


def _download(url: str) -> bytes:
    handlers: list[Any] = [_NoRedirect()]
    if is_loopback(urlsplit(url).netloc):
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    with opener.open(url, timeout=FETCH_SECONDS) as answer:
        data: bytes = answer.read(MAX_BYTES + 1)
    return data


_NONE: Final = KeySet([])
