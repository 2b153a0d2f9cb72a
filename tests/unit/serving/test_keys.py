"""Keys for checking tokens must be public and few."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from motioncast.serving.keys import MAX_BYTES, Keys, public_keys
from motioncast.wire.errors import InvalidInputError


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


EC = ECKey.generate_key("P-256", auto_kid=False)


def test_public_keys_of_every_kind_are_read() -> None:
    kinds = (EC, RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519"))
    for key in kinds:
        assert len(public_keys(jwks(key.as_dict(private=False))).keys) == 1
        assert not public_keys(key.as_pem(private=False)).keys[0].is_private
    known = [key.as_dict(private=False) for key in kinds]
    assert len(public_keys(jwks(*known, {"kty": "tomorrow's"})).keys) == 3


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "neither JWKS nor"),
        (b"[]", "neither JWKS nor"),
        (b'{"keys": {"kty": "EC"}}', "neither JWKS nor"),
        (b'{"keys": [1]}', "neither JWKS nor"),
        (b"-----BEGIN nonsense", "neither JWKS nor"),
        (jwks(), "0 public keys"),
        (jwks(OctKey.generate_key(256).as_dict()), "0 public keys"),
        (jwks(EC.as_dict(private=True)), "a private key"),
        (EC.as_pem(private=True), "a private key"),
        (jwks(*[EC.as_dict(private=False)] * 65), "65 public keys; expected 1 to 64"),
        (b" " * (MAX_BYTES + 1), "more than 262144 bytes"),
        (b"[" * 100_000, "neither JWKS nor"),
    ],
)
def test_others_are_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        public_keys(data)


@pytest.mark.parametrize(
    "url", ["http://login.test/keys", "file:///keys", "login.test", "https://"]
)
def test_keys_come_encrypted(url: str) -> None:
    with pytest.raises(InvalidInputError, match="is not https"):
        Keys(None, url)


def test_one_source_is_named(tmp_path: Path) -> None:
    for file, url in ((None, None), (tmp_path / "keys", "https://login.test/keys")):
        with pytest.raises(InvalidInputError, match="a file or a URL"):
            Keys(file, url)
    with pytest.raises(InvalidInputError, match="cannot be read"):
        Keys(tmp_path / "none", None)
