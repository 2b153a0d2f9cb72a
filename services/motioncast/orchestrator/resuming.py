"""Resume tokens: the signed state of a session, kept by its client, to resume it elsewhere.

    token    version (1 byte: 1), signature (32 bytes), ResumeState
    signed   HMAC-SHA256 over version and state, with a key that the replicas share

The server stores nothing. A forged state would let a client do no more than forged frames do, but a
signed one need not be checked in depth: its numbers come from a predictor.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from motioncast.orchestrator.configuration import SessionConfig
from motioncast.serving.identity import TOKEN_PEER
from motioncast.v1.resume_pb2 import ResumeState
from motioncast.wire.errors import InvalidInputError, OutOfOrderError
from motioncast.wire.small_file import read_small

MAX_TOKEN_BYTES: Final = 65536
_VERSION: Final = 1
_SIGNATURE_BYTES: Final = 32
_LEAST_KEY_BYTES: Final = 16
_MOST_KEYS: Final = 8
_MOST_FILE_BYTES: Final = 16384
_FIELD: Final = "config.resume_token"
_log: Final = logging.getLogger(__name__)


class ResumeKeys:
    """The keys of resume tokens: the first one signs, all of them verify.

    Args:
        keys: Secrets of at least 16 bytes each.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [hashlib.sha256(b"motioncast resume token" + one).digest() for one in keys]

    @classmethod
    def of(cls, path: Path | None) -> ResumeKeys:
        """Reads keys from a file, one per line; without a file, creates one for this process.

        Raises:
            InvalidInputError: The file cannot be read, or has no key, too many or a short one.
        """
        if path is None:
            _log.info(
                "no resume key: sessions of this process cannot be resumed elsewhere"
                " (replicas share a key with --resume-key FILE)"
            )
            return cls([secrets.token_bytes(32)])
        text = read_small(path, _MOST_FILE_BYTES, "resume_key")
        keys = [line.strip() for line in text.splitlines() if line.strip()]
        if not 1 <= len(keys) <= _MOST_KEYS:
            raise InvalidInputError.of(
                "resume_key",
                f"{path}: {len(keys)} keys; expected 1 to {_MOST_KEYS}, one per line",
            )
        if min(map(len, keys)) < _LEAST_KEY_BYTES:
            raise InvalidInputError.of(
                "resume_key", f"{path}: a key has fewer than {_LEAST_KEY_BYTES} characters"
            )
        return cls(keys)

    def sign(self, state: ResumeState) -> bytes | None:
        """Returns a state as a token; None when it is larger than tokens may be."""
        signed = bytes([_VERSION]) + state.SerializeToString()
        if len(signed) + _SIGNATURE_BYTES > MAX_TOKEN_BYTES:
            return None
        return signed[:1] + _signature(self._keys[0], signed) + signed[1:]

    def read(self, token: bytes) -> ResumeState:
        """Returns the state in a token.

        Raises:
            InvalidInputError: The token was not signed with one of these keys, or cannot be read.
            OutOfOrderError: The token is of another version.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidInputError.of(
                _FIELD, f"{len(token)} bytes exceed the limit of {MAX_TOKEN_BYTES}"
            )
        if len(token) <= _SIGNATURE_BYTES:
            raise InvalidInputError.of(_FIELD, f"{len(token)} bytes are too short for a token")
        if token[0] != _VERSION:
            raise refused(f"it has version {token[0]}, but this server reads version {_VERSION}")
        signature, signed = (
            token[1 : 1 + _SIGNATURE_BYTES],
            token[:1] + token[1 + _SIGNATURE_BYTES :],
        )
        matches = [hmac.compare_digest(signature, _signature(key, signed)) for key in self._keys]
        if not any(matches):
            raise InvalidInputError.of(
                _FIELD,
                "it was not signed with this server's key (servers that share sessions need the"
                " same --resume-key)",
            )
        try:
            return ResumeState.FromString(signed[1:])
        except DecodeError as error:
            raise InvalidInputError.of(_FIELD, "it cannot be read") from error


def check_state(state: ResumeState, config: SessionConfig, owner: bytes) -> None:
    """Raises OutOfOrderError when a token belongs to another client or configuration.

    Args:
        state: The token's state.
        config: The effective configuration.
        owner: The session's owner, see `owner_of`.
    """
    if state.owner != owner:
        raise refused("it belongs to another client's session")
    if state.model != config.model.name:
        raise refused(f"it is for a session with {state.model}, this one uses {config.model.name}")
    if state.session != session_digest(config):
        raise refused(
            "it is for a session with another configuration, or with another version of"
            f" {config.model.name}"
        )


def refused(problem: str) -> OutOfOrderError:
    """Returns the error for a token that a session cannot be resumed from."""
    return OutOfOrderError(f"{_FIELD}: {problem}", field=_FIELD)


def owner_of(caller: str) -> bytes:
    """Returns a digest that identifies the subject of a bearer token; empty for an address."""
    return hashlib.sha256(caller.encode()).digest() if caller.startswith(TOKEN_PEER) else b""


def session_digest(config: SessionConfig) -> bytes:
    """Returns SHA-256 of what a session's frames depend on, the model's shape included.

    The encoding of images is not part of it. The hashed text must not change between server
    versions, so that sessions survive an update.
    """
    model = config.model
    parts = (
        model.name,
        model.height,
        model.width,
        model.keypoints,
        tuple(model.source_weights),
        model.anchored_keypoints,
        str(config.pattern),
        int(config.mode),
        config.relative_motion,
        config.frame_rate,
        config.seed,
        str(config.frame),
        model.codec_tables if config.coded else "",
    )
    return hashlib.sha256(repr(parts).encode()).digest()


def _signature(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, "sha256")
