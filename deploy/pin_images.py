"""Pins third-party images to the digests that their registries report for their tags.

    python deploy/pin_images.py [--check]

Rewrites `image: NAME:TAG[@sha256:...]` in compose and Kubernetes files and `FROM` in the
Dockerfile. `--check` changes nothing and exits with 1 if a digest is missing or differs. To upgrade
an image, change its tag and run this. Uses the registries' HTTP API, as `docker buildx imagetools
inspect NAME:TAG` does.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

DEPLOY: Final = Path(__file__).parent
IMAGE: Final = re.compile(
    r"(?P<before>^\s*(?:image:|FROM)\s+)(?P<name>[\w./:-]+?):(?P<tag>[\w.-]+)(?P<digest>@sha256:[0-9a-f]{64})?"
    r"(?=\s|$)",
    re.MULTILINE,
)
# Multi-platform indexes first: one digest then covers every processor.
KINDS: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
OURS: Final = "motioncast"  # built here, or set by an overlay
SECONDS: Final = 20.0


def main(check: bool) -> None:
    wrong = 0
    for file in files():
        text = file.read_text("utf-8")
        pinned = text
        for found in IMAGE.finditer(text):
            if found["name"].rpartition("/")[2] == OURS:
                continue
            name = f"{found['name']}:{found['tag']}"
            try:
                digest = digest_of(found["name"], found["tag"])
            except (OSError, ValueError) as error:
                sys.exit(f"{name}: {error}")
            if found["digest"] != f"@{digest}":
                wrong += 1
                print(f"{file.name}: {name} is {digest}")
                pinned = pinned.replace(found[0], f"{found['before']}{name}@{digest}")
        if not check and pinned != text:
            file.write_text(pinned, "utf-8")
    if check and wrong:
        sys.exit(1)


def files() -> Iterator[Path]:
    """Yields every file that may name an image."""
    yield DEPLOY / "Dockerfile"
    yield from sorted(DEPLOY.glob("compose*.yaml"))
    yield from sorted((DEPLOY / "kubernetes").rglob("*.yaml"))


def digest_of(name: str, tag: str) -> str:
    """Returns the digest that a registry reports for a tag.

    Raises:
        OSError: The registry cannot be reached or does not have the tag.
        ValueError: Its answer has no valid digest.
    """
    registry, repository = registry_of(name)
    plain = registry.partition(":")[0] in ("localhost", "127.0.0.1")  # as Docker does
    url = f"{'http' if plain else 'https'}://{registry}/v2/{repository}/manifests/{tag}"
    try:
        headers = ask(url, "HEAD", {"Accept": ", ".join(KINDS)})
    except HTTPError as error:
        if error.code != 401:
            raise
        token = token_for(error.headers.get("WWW-Authenticate", ""))
        headers = ask(url, "HEAD", {"Accept": ", ".join(KINDS), "Authorization": f"Bearer {token}"})
    digest = str(headers.get("Docker-Content-Digest", ""))
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ValueError("the registry returned no valid digest")
    return digest


def registry_of(name: str) -> tuple[str, str]:
    """Returns the registry host and repository of an image name, by Docker's rules."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return ("registry-1.docker.io" if first == "docker.io" else first), rest
    return "registry-1.docker.io", name if slash else f"library/{name}"


def token_for(challenge: str) -> str:
    """Returns an anonymous token for a registry's challenge; raises ValueError if it gives none."""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = asked.pop("realm", "")
    if not realm.startswith(("https://", "http://127.0.0.1")):
        raise ValueError(f"the registry requires unsupported authentication: {challenge[:200]!r}")
    with urlopen(Request(f"{realm}?{urlencode(asked)}"), timeout=SECONDS) as answer:
        found = json.loads(answer.read(2**20))
    token = found.get("token") or found.get("access_token")
    if not isinstance(token, str):
        raise ValueError("the registry returned no token")
    return token


def ask(url: str, method: str, headers: dict[str, str]) -> Message:
    with urlopen(Request(url, method=method, headers=headers), timeout=SECONDS) as answer:
        found: Message = answer.headers
        return found


if __name__ == "__main__":
    try:
        main(sys.argv[1:] == ["--check"])
    except URLError as error:
        sys.exit(f"registry: {error.reason}")
