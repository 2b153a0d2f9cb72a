"""The mark as a C2PA manifest: who made a file and how, signed, and tied to its content by hash."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from PIL import Image

from motioncast.provenance.mark import Mark, MarkError, own_version
from motioncast.provenance.signer import MAX_PEM_BYTES, Signer, development_certificate

FORMATS: Final = {  # by suffix; formats that motioncast writes and C2PA supports
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".avi": "video/avi",
    ".png": "image/png",
}
MISSING: Final = "c2pa-python is not installed: pip install 'motioncast[marks]'"
_NO_NETWORK: Final = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of a file's active manifest, and whether they are credible.

    Attributes:
        source_type: Name of IPTC's digital source type; None if not stated.
        generator: The program that made it, for example "motioncast 0.1.0".
        description: The description of its first action; "" if there is none.
        issuer: Organisation of the signing certificate.
        intact: Whether the signature is valid and the content is the signed one.
        trusted: Whether the certificate leads to an authority that the reader trusts.
        problems: C2PA's codes of its problems, including an untrusted certificate.
    """

    source_type: str | None
    generator: str
    description: str
    issuer: str
    intact: bool
    trusted: bool
    problems: tuple[str, ...]


def can_sign(suffix: str) -> bool:
    """Returns whether files with a suffix can be signed: c2pa-python and the format allow it."""
    return suffix.lower() in FORMATS and _c2pa() is not None


def check_signer(signer: Signer) -> None:
    """Checks that a signer can sign, by signing a picture of one pixel.

    Raises:
        MarkError: c2pa-python is missing, a file cannot be read, the key is not the certificate's,
            or C2PA rejects the certificate.
    """
    pixel = BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    _sign(pixel, BytesIO(), Mark(signer=signer), "pixel.png", FORMATS[".png"])


def sign_file(source: Path, target: Path, mark: Mark, title: str) -> None:
    """Writes a copy of a file with a manifest.

    Args:
        source: The original file.
        target: The copy; its suffix determines the format (`can_sign`).
        mark: The contents of the manifest.
        title: The file's title in the manifest.

    Raises:
        MarkError: C2PA rejects the certificate or the file, or the disk is full.
        OSError: A file cannot be opened.
    """
    with source.open("rb") as before, target.open("w+b") as after:
        _sign(before, after, mark, title, FORMATS[target.suffix.lower()])


def read_manifest(path: Path, anchors: Path | None = None) -> Manifest | None:
    """Returns a file's manifest; None if it has none.

    Makes no network requests, whatever the file says.

    Args:
        path: A file of any format that C2PA supports; None is returned for all others.
        anchors: PEM of authorities to trust; None: no authority.

    Raises:
        MarkError: c2pa-python is missing, or the manifest cannot be read at all.
        OSError: A file cannot be read.
    """
    c2pa = _c2pa()
    if c2pa is None:
        raise MarkError(MISSING)
    settings: dict[str, Any] = dict(_NO_NETWORK)
    if anchors is not None:
        settings["trust"] = {"user_anchors": _pem(anchors).decode("utf-8", "replace")}
    kind = FORMATS.get(path.suffix.lower(), path.suffix[1:].lower())
    if kind not in c2pa.Reader.get_supported_mime_types():
        return None
    try:
        with (
            c2pa.Context(c2pa.Settings.from_dict(settings)) as context,
            path.open("rb") as file,
            c2pa.Reader(kind, file, context=context) as reader,
        ):
            return _manifest(json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return None
    except (AttributeError, KeyError, TypeError) as error:  # malformed, from another program
        raise MarkError("C2PA: the manifest cannot be parsed") from error
    except c2pa.C2paError as error:
        raise MarkError(_sentence(error)) from error


def _sign(before: BinaryIO, after: BinaryIO, mark: Mark, title: str, kind: str) -> None:
    c2pa = _c2pa()
    if c2pa is None:
        raise MarkError(MISSING)
    chain, key = _credentials(mark.signer)
    info = c2pa.C2paSignerInfo(_algorithm(chain, key), chain, key, None)
    settings = {**_NO_NETWORK, "builder": {"thumbnail": {"enabled": False}}}
    try:
        with (
            c2pa.Context(c2pa.Settings.from_dict(settings)) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(_claim(mark, title, kind), context=context) as builder,
        ):
            builder.sign(signer, kind, before, after)
    except c2pa.C2paError as error:
        raise MarkError(_sentence(error)) from error


def _claim(mark: Mark, title: str, kind: str) -> dict[str, Any]:
    software = {"name": "motioncast", "version": own_version()}
    action = {
        "action": "c2pa.created",
        "digitalSourceType": mark.source_type.uri,
        "softwareAgent": software,
        "description": mark.sentence,
    }
    return {
        "claim_generator_info": [software],
        "title": title,
        "format": kind,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }


def _manifest(said: dict[str, Any]) -> Manifest:
    active = said["manifests"][said["active_manifest"]]
    actions = [
        action
        for assertion in active.get("assertions", ())
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"].get("actions", ())
    ]
    uris = [str(one["digitalSourceType"]) for one in actions if "digitalSourceType" in one]
    makers = active.get("claim_generator_info") or [{}]
    state = said.get("validation_state", "Invalid")
    return Manifest(
        source_type=uris[0].rpartition("/")[2] if uris else None,
        generator=" ".join(str(makers[0][one]) for one in ("name", "version") if one in makers[0]),
        description=str(actions[0].get("description", "")) if actions else "",
        issuer=str((active.get("signature_info") or {}).get("issuer", "")),
        intact=state in ("Valid", "Trusted"),
        trusted=state == "Trusted",
        problems=tuple(one["code"] for one in said.get("validation_status", ())),
    )


def _credentials(signer: Signer | None) -> tuple[bytes, bytes]:
    if signer is None:
        return development_certificate()
    return _pem(signer.certificate), _pem(signer.key)


def _pem(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise MarkError(f"{path}: {error.strerror or error}") from error
    if len(found) > MAX_PEM_BYTES or b"-----BEGIN" not in found:
        raise MarkError(f"{path}: is not a PEM file")
    return found


def _algorithm(chain: bytes, key: bytes) -> str:
    """Returns C2PA's name of a key's algorithm; MarkError if the key is not the certificate's."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        public = x509.load_pem_x509_certificates(chain)[0].public_key()
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        raise MarkError(
            "the certificate or its key cannot be read (expected PEM without a password)"
        ) from None
    if private.public_key() != public:
        raise MarkError("the key is not the certificate's")
    match private:
        case ec.EllipticCurvePrivateKey():
            found = {256: "es256", 384: "es384", 521: "es512"}.get(private.curve.key_size)
        case ed25519.Ed25519PrivateKey():
            found = "ed25519"
        case rsa.RSAPrivateKey():
            found = "ps256"
        case _:
            found = None
    if found is None:
        raise MarkError("C2PA does not support this type of key")
    return found


def _sentence(error: Exception) -> str:
    return f"C2PA: {' '.join(str(error).split())[:300]}"


def _c2pa() -> Any | None:
    """Returns the package; None if it is not installed, or has no library for this machine."""
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError):
        return None
    return c2pa
