"""Both clients distinguish the reasons why an encrypted connection fails."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.certificates import expired
from support.mirror import mirror
from support.tiny_services import serving

from motioncast.client import ConnectError, InvalidRequestError, Tls
from motioncast.local.certificates import make_certificates
from motioncast.serving import ServerSettings, ServerTls

Cast = Callable[..., Coroutine[Any, Any, Any]]
VIDEO = np.zeros((1, 4, 6, 3), np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_certificates(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_certificates(tmp_path_factory.mktemp("strangers"))


def shown(files: dict[str, Path], *, clients: bool = False) -> ServerSettings:
    tls = ServerTls(files["server.pem"], files["server.key"], files["ca.pem"], clients=clients)
    return ServerSettings(tls=tls)


async def reason(cast: Cast, settings: ServerSettings, tls: Tls | bool | None) -> str:
    """Returns the reason why connecting to a server as localhost fails."""
    async with serving(settings=settings, stream=mirror) as served:
        target = f"localhost:{served.server.port}"
        with pytest.raises(ConnectError) as caught:
            await cast(target, VIDEO, connection={"timeout": 1.0, "tls": tls})
    assert str(caught.value).startswith(f"no server answers at {target} (waited 1 s): ")
    return caught.value.reason


async def test_a_server_that_is_trusted(cast: Cast, files: dict[str, Path]) -> None:
    tls = Tls(files["ca.pem"], files["client.pem"], files["client.key"])
    for clients in (False, True):
        settings = shown(files, clients=clients)
        async with serving(settings=settings, stream=mirror) as served:
            target = f"localhost:{served.server.port}"
            answer = await cast(target, VIDEO, connection={"timeout": 20.0, "tls": tls})
        assert answer is not None


async def test_what_is_in_the_way_is_told_apart(
    cast: Cast, files: dict[str, Path], strangers: dict[str, Path], tmp_path: Path
) -> None:
    tls = Tls(files["ca.pem"])
    late = ServerSettings(tls=ServerTls(*expired(files, tmp_path)))
    elsewhere = {**files, **make_certificates_of(files, tmp_path, ["elsewhere.test"])}
    assert await reason(cast, shown(strangers), tls) == "untrusted"
    assert await reason(cast, shown(files), True) == "untrusted"
    assert await reason(cast, late, tls) == "expired"
    assert await reason(cast, shown(elsewhere), tls) == "wrong_name"
    assert await reason(cast, ServerSettings(), tls) == "plain_text"
    assert await reason(cast, shown(files), None) == "tls"
    assert await reason(cast, shown(files, clients=True), tls) == "client_certificate"
    another = Tls(files["ca.pem"], strangers["client.pem"], strangers["client.key"])
    assert await reason(cast, shown(files, clients=True), another) == "client_certificate"


def make_certificates_of(files: dict[str, Path], folder: Path, names: list[str]) -> dict[str, Path]:
    """Returns certificates for other names from the same authority."""
    for name in ("ca.pem", "ca.key"):
        (folder / name).write_bytes(files[name].read_bytes())
    return make_certificates(folder, names)


def test_files_that_cannot_be_used_are_named(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "nonsense").write_text("nonsense")
    for make, sentence in (
        (lambda: Tls(certificate="a"), r"^tls: the client certificate and its key must be given"),
        (lambda: Tls(tmp_path / "none").credentials(), r"^tls.ca: .*none cannot be read"),
        (lambda: Tls(tmp_path / "nonsense").credentials(), r"^tls.ca: .* contains no certificate"),
        (
            lambda: Tls(None, files["client.pem"], files["server.key"]).credentials(),
            r"^tls.key: .* is not the certificate's key",
        ),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            make()
