"""Serves a repository's models on a real KServe v2 server, with a client stub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
from tritonclient.grpc import service_pb2_grpc

from motioncast import model_server
from motioncast.inference import OnnxRuntimeEngine, OnnxRuntimeSettings
from motioncast.inference.kserve import KServeSettings
from motioncast.serving import Server, ServerSettings
from motioncast.serving.metrics import Metrics


@dataclass(frozen=True, slots=True)
class KServeServed:
    """A running server and its engine."""

    server: Server
    engine: OnnxRuntimeEngine
    channel: grpc.aio.Channel

    @property
    def stub(self) -> Any:
        return service_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    @property
    def settings(self) -> KServeSettings:
        """Settings of an engine that connects to the server."""
        return KServeSettings(self.server.address)


@asynccontextmanager
async def serving_kserve(
    repository: Path,
    settings: ServerSettings | None = None,
    engine_settings: OnnxRuntimeSettings | None = None,
    secret: str = "",
) -> AsyncIterator[KServeServed]:
    """Serves the models of a repository."""
    metrics = Metrics()
    settings = settings or ServerSettings(max_message_bytes=64 * 1024 * 1024, max_queued_calls=200)
    options = [("grpc.max_receive_message_length", -1)]
    async with OnnxRuntimeEngine(repository, engine_settings) as engine:
        registrations = [model_server.registration(engine, metrics, secret)]
        async with (
            Server(settings, registrations, metrics) as server,
            grpc.aio.insecure_channel(server.address, options=options) as channel,
        ):
            yield KServeServed(server, engine, channel)
