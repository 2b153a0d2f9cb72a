"""Serves the three model services on a real server, with client stubs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_status import rpc_status

from motioncast import keypoint, predictor, synthesis
from motioncast.inference import OnnxRuntimeEngine, OnnxRuntimeSettings
from motioncast.serving import Server, ServerSettings
from motioncast.serving.metrics import Metrics
from motioncast.v1.keypoint_pb2_grpc import KeypointServiceStub
from motioncast.v1.predictor_pb2_grpc import PredictorServiceStub
from motioncast.v1.synthesis_pb2_grpc import SynthesisServiceStub
from motioncast.wire.errors import DomainError
from motioncast.wire.status import decode_error


@dataclass(frozen=True, slots=True)
class ModelsServed:
    """A running server with the three services on one engine."""

    server: Server
    channel: grpc.aio.Channel

    @property
    def keypoint(self) -> Any:
        return KeypointServiceStub(self.channel)

    @property
    def predictor(self) -> Any:
        return PredictorServiceStub(self.channel)

    @property
    def synthesis(self) -> Any:
        return SynthesisServiceStub(self.channel)

    def metric(self, name: str, **labels: str) -> float | None:
        """Returns the value of a sample; None when there is none."""
        return self.server.metrics.registry.get_sample_value(name, labels)


@asynccontextmanager
async def serving_models(
    repository: Path,
    engine_settings: OnnxRuntimeSettings | None = None,
    default_model: str | None = None,
) -> AsyncIterator[ModelsServed]:
    """Serves the models of a repository."""
    metrics = Metrics()
    async with OnnxRuntimeEngine(repository, engine_settings) as engine:
        registrations = [
            service.registration(engine, default_model=default_model, metrics=metrics)
            for service in (keypoint, predictor, synthesis)
        ]
        settings = ServerSettings(max_message_bytes=64 * 1024 * 1024)
        options = [("grpc.max_receive_message_length", -1)]
        async with (
            Server(settings, registrations, metrics) as server,
            grpc.aio.insecure_channel(server.address, options=options) as channel,
        ):
            yield ModelsServed(server, channel)


async def refusal(call: Any) -> DomainError:
    """Returns the domain error of a failing call."""
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    status = await rpc_status.aio.from_call(call)
    assert status is not None
    error = decode_error(status)
    assert error is not None
    return error
