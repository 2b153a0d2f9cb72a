"""The files that `motioncast certs` writes."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from cryptography import x509

from motioncast.local.certificates import make_certificates
from motioncast.wire.errors import InvalidInputError


def test_files_are_for_their_owner_alone_and_signed_by_the_authority(tmp_path: Path) -> None:
    files = make_certificates(tmp_path / "new", ["cast.test", "10.1.2.3"], days=7)
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(files)
    for path in files.values():
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    ca, server, client = (
        x509.load_pem_x509_certificate(files[f"{name}.pem"].read_bytes())
        for name in ("ca", "server", "client")
    )
    for signed in (server, client):
        signed.verify_directly_issued_by(ca)
        seconds = (signed.not_valid_after_utc - signed.not_valid_before_utc).total_seconds()
        assert seconds == 7 * 86400 + 300
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["cast.test"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.1.2.3")]


def test_an_authority_goes_on_and_certificates_are_new(tmp_path: Path) -> None:
    before = {name: path.read_bytes() for name, path in make_certificates(tmp_path).items()}
    after = {name: path.read_bytes() for name, path in make_certificates(tmp_path).items()}
    same = {name for name in before if before[name] == after[name]}
    assert same == {"ca.pem", "ca.key"}


def test_what_cannot_be_is_named(tmp_path: Path) -> None:
    for names, days, sentence in (
        (["a"], 0, "^days: 0 is out of range"),
        ([], 1, "^name: a server needs at least one"),
        (["ü.test"], 1, "^name: 'ü.test' is not a host name"),
    ):
        with pytest.raises(InvalidInputError, match=sentence):
            make_certificates(tmp_path / "none", names, days)
    assert not (tmp_path / "none").exists()
    make_certificates(tmp_path)
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(InvalidInputError, match=r"^ca: .* are not an authority and its key"):
        make_certificates(tmp_path)
