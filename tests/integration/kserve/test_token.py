"""An engine and an orchestrator present their own token to a model server that requires one."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from support.kserve_server import serving_kserve
from support.tokens import Issuer
from support.toy_ensembles import build_joined_repository
from support.toy_models import image_with_points, keypoints_of_points

from motioncast import orchestrator
from motioncast.client import connect
from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.local.certificates import make_certificates
from motioncast.orchestrator import OrchestratorSettings
from motioncast.serving import Metrics, Server, ServerSettings, ServerTls
from motioncast.wire.errors import InvalidInputError, UnavailableError

IMAGE = image_with_points((3, 4), (5, 6))


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "keys.json")


async def run(settings: KServeSettings) -> None:
    """Runs a model and checks its output."""
    async with KServeEngine(settings) as engine:
        for _ in range(3):  # in messages first, then through shared memory
            answer = await engine.infer("toy_keypoint", {"image": IMAGE[np.newaxis]})
            expected = keypoints_of_points((3, 4), (5, 6))
            np.testing.assert_allclose(answer["keypoints"][0], expected, atol=1e-6)


@pytest.mark.parametrize("through_memory", [0, None])
async def test_an_engine_brings_the_token_of_its_file(
    tmp_path: Path, toy_repository: Path, issuer: Issuer, through_memory: int | None
) -> None:
    token = tmp_path / "token"
    token.write_text(issuer.token("admin"))
    locked = ServerSettings(tokens=issuer.settings)
    async with serving_kserve(toy_repository, locked) as served:
        address = served.server.address
        await run(KServeSettings(address, token=token, shared_memory_bytes=through_memory))
        for wrong in (issuer.token("stream"), issuer.by_a_stranger()):
            token.write_text(wrong)
            with pytest.raises(UnavailableError, match="rejected this service's token"):
                await run(KServeSettings(address, token=token, connect_seconds=0))
        with pytest.raises(UnavailableError, match="rejected this service's token"):
            await run(KServeSettings(address, connect_seconds=0))


async def test_a_token_is_read_again_when_it_was_renewed(
    tmp_path: Path, toy_repository: Path, issuer: Issuer
) -> None:
    token = tmp_path / "token"
    token.write_text(issuer.token("admin"))
    async with (
        serving_kserve(toy_repository, ServerSettings(tokens=issuer.settings)) as served,
        KServeEngine(KServeSettings(served.server.address, token=token)) as engine,
    ):
        await engine.infer("toy_keypoint", {"image": IMAGE[np.newaxis]})
        issuer.rotate("second")
        token.write_text(issuer.token("admin"))
        await engine.infer("toy_keypoint", {"image": IMAGE[np.newaxis]})


def test_a_token_leaves_this_machine_over_tls_alone(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"token: not sent to another machine \(gpu:8001\)"):
        KServeSettings("gpu:8001", token=tmp_path / "token")
    KServeSettings("gpu:8001", token=tmp_path / "token", tls=True)


async def test_an_orchestrator_of_ensembles_brings_its_token_over_tls(
    tmp_path: Path, issuer: Issuer
) -> None:
    files = make_certificates(tmp_path / "certificates")
    token = tmp_path / "token"
    token.write_text(issuer.token("admin"))
    repository = build_joined_repository(tmp_path / "models")
    tls = ServerTls(files["server.pem"], files["server.key"], files["ca.pem"], clients=True)
    frames = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    async with AsyncExitStack() as exits:
        locked = ServerSettings(tls=tls, tokens=issuer.settings)
        served = await exits.enter_async_context(serving_kserve(repository, locked))
        reached = KServeSettings(
            served.server.address,
            root_certificates=files["ca.pem"],
            client_certificate=files["client.pem"],
            client_key=files["client.key"],
            token=token,
        )
        engine = await exits.enter_async_context(KServeEngine(reached))
        metrics = Metrics()
        registration = await exits.enter_async_context(
            orchestrator.registration(engine, OrchestratorSettings(), metrics)
        )
        server = await exits.enter_async_context(Server(ServerSettings(), [registration], metrics))
        service = await exits.enter_async_context(connect(server.address, timeout=20))
        stream = service.stream(frames, observed=2, predicted=1)
        made = [frame.origin.value async for frame in stream]
    assert made == ["observed", "observed", "predicted"] * 2
