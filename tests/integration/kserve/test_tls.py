"""Encrypted connections to a model server, with and without a client's certificate."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import pytest
from support.toy_models import image_with_points, keypoints_of_points

from motioncast import model_server
from motioncast.inference import OnnxRuntimeEngine
from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.serving import Metrics
from motioncast.wire.errors import UnavailableError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes keys with openssl")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with self-signed certificates and keys of localhost and of a stranger."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("localhost", "stranger"):
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                ),
                *("-nodes", "-days", "2", "-subj", f"/CN={name}"),
                *("-addext", "subjectAltName=DNS:localhost"),
                *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
            ],
            check=True,
            capture_output=True,
        )
    return folder


@asynccontextmanager
async def serving(repository: Path, keys: Path, *, clients_too: bool) -> AsyncIterator[str]:
    """Serves the models over TLS as localhost; yields the address."""
    key, certificate = (keys / f"localhost.{kind}" for kind in ("key", "pem"))
    credentials = grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        certificate.read_bytes() if clients_too else None,
        clients_too,
    )
    server = grpc.aio.server()
    async with OnnxRuntimeEngine(repository) as engine:
        model_server.registration(engine, Metrics()).add(server)
        port = server.add_secure_port("localhost:0", credentials)
        await server.start()
        try:
            yield f"localhost:{port}"
        finally:
            await server.stop(None)


async def check(settings: KServeSettings) -> None:
    """Runs a model and checks its output."""
    async with KServeEngine(settings) as engine:
        image = image_with_points((3, 4), (5, 6))[np.newaxis]
        run = await engine.infer("toy_keypoint", {"image": image})
    np.testing.assert_allclose(run["keypoints"][0], keypoints_of_points((3, 4), (5, 6)), atol=1e-6)


async def test_a_server_is_known_by_its_root_certificates(toy_repository: Path, keys: Path) -> None:
    async with serving(toy_repository, keys, clients_too=False) as address:
        await check(KServeSettings(address, root_certificates=keys / "localhost.pem"))


async def test_a_client_shows_its_certificate(toy_repository: Path, keys: Path) -> None:
    certificate = keys / "localhost.pem"
    async with serving(toy_repository, keys, clients_too=True) as address:
        await check(
            KServeSettings(
                address,
                root_certificates=certificate,
                client_certificate=certificate,
                client_key=keys / "localhost.key",
            )
        )
        nobody = KServeSettings(address, root_certificates=certificate, connect_seconds=0)
        with pytest.raises(UnavailableError):
            await check(nobody)


@pytest.mark.parametrize("root", ["stranger.pem", None])
async def test_a_server_that_is_not_known_is_not_spoken_to(
    toy_repository: Path, keys: Path, root: str | None
) -> None:
    async with serving(toy_repository, keys, clients_too=False) as address:
        certificates = keys / root if root else None
        settings = KServeSettings(
            address, tls=True, root_certificates=certificates, connect_seconds=0
        )
        with pytest.raises(UnavailableError, match=r"does not answer$"):
            await check(settings)
