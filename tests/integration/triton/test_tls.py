"""The real Triton with TLS and mutual TLS, still under its supervisor."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.toy_configs import build_configured_repository
from support.toy_models import image_with_points, keypoints_of_points
from support.triton_server import skip_without_triton

from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.inference.kserve.errors import SECRET_VARIABLE
from motioncast.local.certificates import make_certificates
from motioncast.triton import TritonTls
from motioncast.wire.errors import InvalidInputError, UnavailableError

IMAGE = image_with_points((3, 4), (5, 6))
SECRET = "a-secret-of-the-test-0123"


@pytest.mark.parametrize("mode", ["TLS", "MTLS"])
async def test_bare_models_are_served_encrypted_and_their_server_is_watched(
    tmp_path: Path, mode: str
) -> None:
    skip_without_triton()
    repository = build_configured_repository(tmp_path / "models")
    # The name differs from the address: the supervisor identifies Triton by its certificate.
    files = make_certificates(tmp_path / "certificates", ["cast.test", "localhost"])
    command = [
        *(sys.executable, "-m", "motioncast.cli.main", "serve", "models", "--engine", "triton"),
        *("--port", "0", "--http-port", "0", "--log-level", "WARNING", "--drain-grace", "1"),
        *("--models", str(repository), "--ssl-mode", mode),
        *("--ssl-certificate", str(files["server.pem"]), "--ssl-key", str(files["server.key"])),
        *("--ssl-ca", str(files["ca.pem"])),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, env=os.environ | {SECRET_VARIABLE: SECRET}
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        _, address, http = (await process.stdout.readline()).decode().split()
        port = address.rpartition(":")[2]
        assert http.startswith("http://127.0.0.1:")
        server = f"localhost:{port}"
        known = KServeSettings(server, root_certificates=files["ca.pem"], secret=SECRET)
        if mode == "MTLS":
            own = files["client.pem"], files["client.key"]
            known = replace(known, client_certificate=own[0], client_key=own[1])
        async with KServeEngine(known) as engine:
            answer = await engine.infer("toy_keypoint", {"image": IMAGE[np.newaxis]})
        expected = keypoints_of_points((3, 4), (5, 6))
        np.testing.assert_allclose(answer["keypoints"][0], expected, atol=1e-6)
        strangers = [KServeSettings(server, connect_seconds=0, secret=SECRET)]  # plain text
        if mode == "MTLS":
            strangers.append(replace(strangers[0], root_certificates=files["ca.pem"]))
        for stranger in strangers:
            with pytest.raises(UnavailableError):
                async with KServeEngine(stranger):
                    pass
    finally:
        process.terminate()
        assert await process.wait() == 0


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    with pytest.raises(InvalidInputError, match="is not the key"):
        TritonTls(files["server.pem"], files["client.key"])
    with pytest.raises(InvalidInputError, match="ssl-ca: missing"):
        TritonTls(files["server.pem"], files["server.key"], clients=True)
    with pytest.raises(InvalidInputError, match="cannot be read"):
        TritonTls(files["server.pem"], tmp_path / "missing")
