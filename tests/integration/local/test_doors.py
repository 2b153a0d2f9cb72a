"""All services in one process with TLS and tokens: the same frames, and no unauthorised access."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import grpc
import grpc.aio
import numpy as np
import pytest
from support.tokens import Issuer
from support.toy_ensembles import build_joined_repository

from motioncast.client import (
    ForbiddenError,
    InvalidRequestError,
    OverloadedError,
    Tls,
    UnauthenticatedError,
    connect,
    connect_sync,
)
from motioncast.local import LocalServices, LocalSettings
from motioncast.local.certificates import make_certificates
from motioncast.orchestrator import OrchestratorSettings
from motioncast.serving import ServerTls

VIDEO = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return make_certificates(tmp_path / "certificates")


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "keys.json")


async def frames(local: LocalServices, tls: Tls | None, token: str | None) -> list[np.ndarray]:
    async with connect(local.target, timeout=20, tls=tls, token=token) as service:
        size = (await service.server_info()).models[0]
        video = VIDEO[:, : size.height, : size.width]
        return [frame.image async for frame in service.stream(video, observed=2, predicted=1)]


@pytest.mark.parametrize("pipeline", ["services", "ensemble"])
async def test_locked_doors_give_the_same_frames(
    tmp_path: Path,
    files: dict[str, Path],
    issuer: Issuer,
    pipeline: Literal["services", "ensemble"],
) -> None:
    client = Tls(files["ca.pem"], files["client.pem"], files["client.key"])
    server = ServerTls(files["server.pem"], files["server.key"], files["ca.pem"], clients=True)
    repository = build_joined_repository(tmp_path / "models")
    made = []
    for locked in (False, True):
        settings = LocalSettings(
            repository=repository,
            pipeline=pipeline,
            drain_grace_seconds=0.5,
            tls=server if locked else None,
            tokens=issuer.settings if locked else None,
        )
        async with LocalServices(settings) as local:
            made.append(
                await frames(local, client if locked else None, issuer.token() if locked else None)
            )
    assert len(made[0]) == len(VIDEO)
    np.testing.assert_array_equal(made[0], made[1])


@pytest.mark.parametrize("tls", [False, True])
async def test_behind_the_orchestrator_nobody_else_comes_in(
    toy_repository: Path, files: dict[str, Path], issuer: Issuer, tls: bool
) -> None:
    settings = LocalSettings(
        repository=toy_repository,
        drain_grace_seconds=0.5,
        tls=ServerTls(files["server.pem"], files["server.key"]) if tls else None,
        tokens=issuer.settings,
    )
    credentials = grpc.ssl_channel_credentials(
        files["ca.pem"].read_bytes(),
        files["client.key"].read_bytes(),
        files["client.pem"].read_bytes(),
    )
    async with LocalServices(settings) as local:
        for name in ("keypoint", "predictor", "synthesis"):
            address = local.servers[name].address
            for channel in (
                grpc.aio.insecure_channel(address),
                grpc.aio.secure_channel(address, credentials),
            ):
                async with channel:
                    check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await check(b"", timeout=20)
                    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_tokens_are_asked_for_and_tell_what_is_missing(
    toy_repository: Path, issuer: Issuer
) -> None:
    settings = LocalSettings(
        repository=toy_repository, drain_grace_seconds=0.5, tokens=issuer.settings
    )
    async with LocalServices(settings) as local:
        for token in (None, issuer.by_a_stranger()):
            with pytest.raises(UnauthenticatedError, match=r"^token: "):
                async with connect(local.target, token=token):
                    pass
        with pytest.raises(ForbiddenError, match=r"Stream, which requires the scope stream$"):
            await frames(local, None, issuer.token(scope="watch"))

        def blocking() -> None:
            with connect_sync(local.target, token=lambda: issuer.token(scope="watch")) as service:
                assert service.server_info().models
                list(service.stream(VIDEO))

        with pytest.raises(ForbiddenError):
            await asyncio.to_thread(blocking)


async def test_a_subject_has_its_share_wherever_it_comes_from(
    toy_repository: Path, issuer: Issuer
) -> None:
    limits = OrchestratorSettings(max_sessions=4, max_sessions_per_peer=1)
    settings = LocalSettings(
        repository=toy_repository,
        drain_grace_seconds=0.5,
        orchestrator=limits,
        tokens=issuer.settings,
    )
    token, other = issuer.token(sub="ada"), issuer.token(sub="grace")
    async with (
        LocalServices(settings) as local,
        connect(local.target, token=token) as first,
        connect(local.target, token=token) as again,
        connect(local.target, token=other) as second,
    ):
        model = (await first.server_info()).models[0]
        video = VIDEO[:, : model.height, : model.width]
        running = aiter(first.stream(video, observed=1))
        assert (await anext(running)).image is not None
        with pytest.raises(OverloadedError, match=r"you have 1,"):
            async for _ in again.stream(video, observed=1):
                pass
        assert len([frame async for frame in second.stream(video, observed=1)]) == len(video)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "A" * 4097, "ü"])
async def test_what_is_no_token_is_told_without_it(token: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^token: .*4096") as caught:
        async with connect("localhost:1", token=token):
            pass
    assert not token or token not in str(caught.value)


async def test_a_token_never_leaves_this_machine_in_plain_text() -> None:
    with pytest.raises(InvalidRequestError, match=r"^token: is sent to other machines only"):
        async with connect("cast.example.org:50050", token="secret"):
            pass
