"""How `motioncast serve` and the client commands interpret their encryption options."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from motioncast.cli.door import connecting, credentials
from motioncast.cli.lock_settings import Ssl, SslMode, Tokens
from motioncast.cli.locks import channel_of, tls_of, tokens_of
from motioncast.cli.serve_settings import ServeSettings
from motioncast.client import Tls
from motioncast.serving import ChannelTls, ServerTls, TokenSettings
from motioncast.wire.errors import InvalidInputError

PEM, KEY, CA = Path("server.pem"), Path("server.key"), Path("ca.pem")


def test_what_each_mode_shows_and_trusts() -> None:
    assert (tls_of(Ssl()), channel_of(Ssl())) == (None, None)
    tls, mutual = (Ssl(mode, PEM, KEY, CA) for mode in (SslMode.TLS, SslMode.MTLS))
    assert tls_of(tls) == ServerTls(PEM, KEY, CA, clients=False)
    assert channel_of(tls) == ChannelTls(CA)
    assert tls_of(mutual) == ServerTls(PEM, KEY, CA, clients=True)
    assert channel_of(mutual) == ChannelTls(CA, PEM, KEY)


@pytest.mark.parametrize(
    ("ssl", "sentence"),
    [
        (Ssl(SslMode.TLS, PEM), "^ssl-key: missing for --ssl-mode TLS"),
        (Ssl(SslMode.MTLS, None, KEY, CA), "^ssl-certificate: missing for --ssl-mode MTLS"),
        (Ssl(SslMode.MTLS, PEM, KEY), "^ssl_ca: mutual TLS needs"),
        (Ssl(SslMode.DISABLED, PEM), "^ssl-certificate: requires --ssl-mode TLS or MTLS"),
    ],
)
def test_what_is_missing_is_named(ssl: Ssl, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        tls_of(ssl)


def test_tokens_are_asked_for_where_keys_are_named() -> None:
    assert tokens_of(ServeSettings()) is None
    keys = Path("keys.json")
    given = ServeSettings(tokens=Tokens(keys=keys, issuer="https://login.test"))
    assert tokens_of(given) == TokenSettings(keys=keys, issuer="https://login.test")
    with pytest.raises(InvalidInputError, match=r"^token_issuer: missing"):
        tokens_of(ServeSettings(tokens=Tokens(keys=keys)))
    with pytest.raises(InvalidInputError, match=r"^token-keys: required by"):
        tokens_of(ServeSettings(tokens=Tokens(issuer="https://login.test")))


def test_a_command_that_connects_has_the_options_and_shows_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(target: str) -> tuple[str, object, object]:
        shown = credentials()
        token = shown["token"]
        return target, shown["tls"], token() if callable(token) else token

    run = connecting(command)
    assert list(inspect.signature(run).parameters) == [
        "target", "tls", "tls_ca", "tls_cert", "tls_key", "token_file"
    ]  # fmt: skip
    monkeypatch.delenv("MOTIONCAST_TOKEN", raising=False)
    assert run("here") == ("here", None, None)
    monkeypatch.setenv("MOTIONCAST_TOKEN", "of the environment")
    (tmp_path / "token").write_text("abc\n")
    options = {"tls_ca": CA, "token_file": tmp_path / "token"}
    assert run("there", **options) == ("there", Tls(CA), "abc")
    assert run("there", tls=True) == ("there", Tls(), "of the environment")  # type: ignore[call-arg]
    with pytest.raises(InvalidInputError, match=r"^token_file: .*none cannot be read"):
        run("there", token_file=tmp_path / "none")  # type: ignore[call-arg]
