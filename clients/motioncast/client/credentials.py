"""What a client trusts and how it identifies itself: certificates and tokens."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import grpc

from motioncast.client.errors import InvalidRequestError
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.token_file import bearer

Token: TypeAlias = str | Callable[[], str]


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is encrypted; `Tls()` trusts the authorities that gRPC ships with.

    Attributes:
        ca: PEM file of the authorities that may have signed the server's certificate.
        certificate: PEM file of the client's own certificate, for servers that require one (mTLS).
        key: PEM file of the certificate's key, without a password.

    Raises:
        InvalidRequestError: The certificate is given without its key, or the key without it.
    """

    ca: Path | str | None = None
    certificate: Path | str | None = None
    key: Path | str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InvalidRequestError.of(
                "tls", "the client certificate and its key must be given together"
            )

    def credentials(self) -> grpc.ChannelCredentials:
        """Returns the channel credentials; InvalidRequestError when a file cannot be used."""
        self.context()
        return grpc.ssl_channel_credentials(
            _read("tls.ca", self.ca),
            _read("tls.key", self.key),
            _read("tls.certificate", self.certificate),
        )

    def context(self) -> ssl.SSLContext:
        """Returns the same for plain sockets, which report problems in more detail."""
        ca = _read("tls.ca", self.ca)
        try:
            context = ssl.create_default_context(cadata=None if ca is None else ca.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise InvalidRequestError.of("tls.ca", f"{self.ca} contains no certificate") from None
        if self.certificate is not None and self.key is not None:
            for field, path in (("tls.certificate", self.certificate), ("tls.key", self.key)):
                _read(field, path)
            try:
                context.load_cert_chain(self.certificate, self.key, password="")
            except (ssl.SSLError, OSError, ValueError):
                raise InvalidRequestError.of(
                    "tls.key", f"{self.key} is not the certificate's key (PEM, without a password)"
                ) from None
        context.set_alpn_protocols(["h2"])
        return context


class _Fields(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _Details(_Fields, grpc.ClientCallDetails):
    """The details of a call, with its token added."""


class TokenBearer(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds a token to every call; it appears in no log, no error and no `repr`.

    Args:
        token: The token, or a fast function that returns it at the beginning of every call.

    Raises:
        InvalidRequestError: The token is malformed; raised at once for a string, else per call.
    """

    def __init__(self, token: Token) -> None:
        self._token = token
        if isinstance(token, str):
            self._metadata()

    def __repr__(self) -> str:
        return "TokenBearer()"

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """Adds the token."""
        return continuation(self._with_token(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        """Adds the token."""
        return continuation(self._with_token(details), request)

    def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        """Adds the token."""
        return continuation(self._with_token(details), requests)

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        """Adds the token."""
        return continuation(self._with_token(details), requests)

    def _with_token(self, details: Any) -> Any:
        metadata = (*(details.metadata or ()), *self._metadata())
        return _Details(
            details.method,
            details.timeout,
            metadata,
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        try:
            return bearer(self._token if isinstance(self._token, str) else self._token())
        except InvalidInputError as error:
            raise InvalidRequestError(str(error), field=error.field) from None


def _read(field: str, path: Path | str | None) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise InvalidRequestError.of(field, f"{path} cannot be read ({error.strerror})") from None
