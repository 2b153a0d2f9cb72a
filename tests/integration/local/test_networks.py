"""Local services under network conditions: a proxy in the environment, IPv6, ageing connections."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from support.http import get
from support.kserve_server import serving_kserve
from support.raw_sessions import cast, config, frame, source
from support.tiny_services import serving
from support.toy_ensembles import build_joined_repository
from support.toy_models import build_toy_repository

from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.local import LocalServices, LocalSettings, Ports
from motioncast.serving import Context, ServerSettings
from motioncast.v1.keypoint_pb2 import DetectRequest, DetectResponse
from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest

IMAGE = np.full((16, 16, 3), 100, np.uint8)
SESSION = [config(), source(IMAGE), frame(0, IMAGE), frame(1, IMAGE)]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("pipeline", ["services", "ensemble"])
async def test_no_service_goes_through_a_proxy_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: str
) -> None:
    build_joined_repository(tmp_path)
    settings = LocalSettings(repository=tmp_path, pipeline=pipeline)  # type: ignore[arg-type]
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    async with LocalServices(settings) as local:
        monkeypatch.delenv("http_proxy")  # not for this test's own client
        monkeypatch.delenv("https_proxy")
        monkeypatch.delenv("grpc_proxy")
        assert (await cast(local.target, SESSION)).origins == "OO"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_everything_listens_on_ipv6(toy_repository: Path) -> None:
    settings = LocalSettings(repository=toy_repository, host="::1", orchestrator_ports=Ports(0, 0))
    async with LocalServices(settings) as local:
        server = local.servers["orchestrator"]
        assert local.target == f"[::1]:{server.port}"
        assert (await cast(local.target, SESSION)).origins == "OO"
        assert (await get(server, "/ready")).status == 200


async def test_a_connection_ends_when_it_is_old_and_calls_on_it_go_on() -> None:
    peers: set[str] = set()

    async def detect(request: DetectRequest, context: Context) -> DetectResponse:
        peers.add(context.peer())
        return DetectResponse()

    settings = ServerSettings(max_connection_age_seconds=0.1)
    async with serving(detect=detect, settings=settings) as served:
        stream = served.motion.Stream()
        await stream.write(StreamRequest(config=StreamConfig(model="a")))
        assert (await stream.read()).config.model == "a"
        # Each new connection has a new client port.
        while len(peers) < 3:
            await served.keypoints.Detect(DetectRequest(), timeout=10)
        await stream.write(StreamRequest(config=StreamConfig(model="b")))
        assert (await stream.read()).config.model == "b"


async def test_a_model_server_here_is_reached_without_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_toy_repository(tmp_path)
    async with serving_kserve(tmp_path) as served:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        async with KServeEngine(KServeSettings(served.server.address)) as engine:
            assert "toy_keypoint" in engine.models()


def test_grpc_would_ask_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks that the tests above could fail."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        channel = grpc.insecure_channel(f"127.0.0.1:{listening.getsockname()[1]}")
        listening.settimeout(10)
        method: Any = channel.unary_unary("/a.B/C")
        call = method.future(b"", timeout=10)
        assert call.code() is grpc.StatusCode.UNAVAILABLE  # it tried the proxy
        channel.close()
