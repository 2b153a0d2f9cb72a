"""How `motioncast serve` secures its ports, according to its settings."""

from __future__ import annotations

from motioncast.cli.lock_settings import Ssl, SslMode
from motioncast.cli.serve_settings import ServeSettings
from motioncast.serving import ChannelTls, ServerTls, TokenSettings
from motioncast.wire.errors import InvalidInputError


def tls_of(ssl: Ssl) -> ServerTls | None:
    """Returns how the server identifies itself; None for plain text.

    Raises:
        InvalidInputError: A file is missing, or given without being used.
    """
    if ssl.mode is SslMode.DISABLED:
        for field in ("certificate", "key"):
            if getattr(ssl, field) is not None:
                raise InvalidInputError.of(f"ssl-{field}", "requires --ssl-mode TLS or MTLS")
        return None
    if ssl.certificate is None or ssl.key is None:
        missing = "ssl-certificate" if ssl.certificate is None else "ssl-key"
        raise InvalidInputError.of(missing, f"missing for --ssl-mode {ssl.mode}")
    return ServerTls(ssl.certificate, ssl.key, ssl.ca, clients=ssl.mode is SslMode.MTLS)


def channel_of(ssl: Ssl) -> ChannelTls | None:
    """Returns how an orchestrator connects to its services: all in its own mode."""
    if ssl.mode is SslMode.DISABLED:
        return None if ssl.ca is None else ChannelTls(ssl.ca)
    shown = (ssl.certificate, ssl.key) if ssl.mode is SslMode.MTLS else (None, None)
    return ChannelTls(ssl.ca, *shown)


def tokens_of(settings: ServeSettings) -> TokenSettings | None:
    """Returns which tokens callers must present; None for none.

    Raises:
        InvalidInputError: Keys are given without an issuer, or an issuer without keys.
    """
    tokens = settings.tokens
    if tokens.keys is None and tokens.keys_url is None:
        if tokens.issuer is not None:
            raise InvalidInputError.of(
                "token-keys", "required by --token-issuer, unless --token-keys-url is given"
            )
        return None
    return TokenSettings(
        tokens.keys, tokens.keys_url, tokens.issuer or "", tokens.audience, tokens.leeway
    )
