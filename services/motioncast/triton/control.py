"""The supervisor's calls of the server over its own protocol, KServe v2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from motioncast.triton.tls import TritonTls
from motioncast.wire.addresses import proxy_options
from motioncast.wire.errors import DomainError, UnavailableError

_SECONDS: Final = 10.0  # for calls that only query
_DEAD: Final = "is not healthy."  # ends INTERNAL errors if the model's process is dead or stopped
# Bytes per element, by its name in config.pbtxt.
_SIZES: Final = {
    "BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2,
    "INT32": 4, "INT64": 8, "FP16": 2, "FP32": 4, "FP64": 8, "BF16": 2,
}  # fmt: skip


class ModelError(DomainError):
    """A model cannot be loaded, or fails a request that it should serve."""


class Control:
    """A connection to the server, from entering the block until leaving it.

    Every call raises `UnavailableError` when the server does not answer.

    Args:
        address: Address of the server.
        headers: Sent with every call.
        tls: TLS files of the server; None for plain text.
    """

    def __init__(
        self, address: str, headers: Mapping[str, str], tls: TritonTls | None = None
    ) -> None:
        self._address = address
        self._tls = tls
        self._metadata = tuple(headers.items())

    async def __aenter__(self) -> Self:
        # Reconnects soon after the server restarts.
        options: list[tuple[str, int | str]] = [
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            *proxy_options(self._address),
        ]
        if self._tls is None:
            self._channel = grpc.aio.insecure_channel(self._address, options=options)
        else:
            credentials, named = self._tls.channel()
            self._channel = grpc.aio.secure_channel(
                self._address, credentials, options=[*options, *named]
            )
        self._stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._channel.close()

    async def wait_until_live(self, timeout_seconds: float) -> None:
        """Returns when the server answers."""
        request = service_pb2.ServerLiveRequest()
        await self._call(self._stub.ServerLive, request, timeout_seconds, wait_for_ready=True)

    async def answers(self, timeout_seconds: float) -> bool:
        """Returns whether the server answers in time, even with an error.

        A server that has ended counts as answering. Says nothing about whether it is healthy.
        """
        request = service_pb2.ServerLiveRequest()
        try:
            await self._stub.ServerLive(request, timeout=timeout_seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
        return True

    async def load(self, model: str, timeout_seconds: float) -> None:
        """Loads a model's versions as they are in the repository.

        Raises:
            ModelError: It cannot be loaded.
        """
        request = service_pb2.RepositoryModelLoadRequest(model_name=model)
        try:
            await self._stub.RepositoryModelLoad(
                request, timeout=timeout_seconds, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise _unavailable(error) from None
            reason = await self.reason(model)
            raise ModelError(reason or error.details() or error.code().name) from None

    async def unload(self, model: str, timeout_seconds: float) -> None:
        """Stops serving a model."""
        request = service_pb2.RepositoryModelUnloadRequest(model_name=model)
        await self._call(self._stub.RepositoryModelUnload, request, timeout_seconds)

    async def ready_versions(self) -> frozenset[tuple[str, str]]:
        """Returns the names and versions of the models that the server considers ready."""
        request = service_pb2.RepositoryIndexRequest(ready=True)
        index = await self._call(self._stub.RepositoryIndex, request, _SECONDS)
        return frozenset((model.name, model.version) for model in index.models)

    async def ready_models(self) -> frozenset[str]:
        """Returns the names of the models that the server considers ready."""
        return frozenset(name for name, _ in await self.ready_versions())

    async def reason(self, model: str) -> str:
        """Returns why a model cannot run; "" when the server does not know."""
        request = service_pb2.RepositoryIndexRequest()
        index = await self._call(self._stub.RepositoryIndex, request, _SECONDS)
        reasons = [it.reason for it in index.models if it.name == model and it.reason]
        # Our backend's message, without what Python adds to an exception.
        told: str = reasons[-1].partition("\n")[0] if reasons else ""
        return told.rpartition("TritonModelException: ")[2].removeprefix(f"{model}: ").strip()

    async def successes(self, model: str) -> int:
        """Returns how many requests a model has served since it was loaded."""
        request = service_pb2.ModelStatisticsRequest(name=model)
        answer = await self._call(self._stub.ModelStatistics, request, _SECONDS)
        return sum(entry.inference_stats.success.count for entry in answer.model_stats)

    async def try_model(self, model: str, timeout_seconds: float) -> None:
        """Runs a model once on zeros, with every variable length set to 1.

        Raises:
            ModelError: Its process responds with an error.
        """
        request = service_pb2.ModelConfigRequest(name=model)
        answer = await self._call(self._stub.ModelConfig, request, _SECONDS)
        try:
            await self._stub.ModelInfer(smallest_request(answer.config), timeout=timeout_seconds)
        except grpc.aio.AioRpcError as error:
            answered = error.code() in (
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.INTERNAL,
            ) and not (error.details() or "").endswith(_DEAD)
            raise ModelError(error.details() or "") if answered else _unavailable(error) from None

    async def _call(
        self, method: Any, request: Any, timeout_seconds: float, **options: bool
    ) -> Any:
        try:
            return await method(
                request, timeout=timeout_seconds, metadata=self._metadata, **options
            )
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from None


def smallest_request(config: ModelConfig) -> service_pb2.ModelInferRequest:
    """Returns a request with zeros for every input and 1 for every variable length."""
    request = service_pb2.ModelInferRequest(model_name=config.name)
    for tensor in config.input:
        shape = [1] * (config.max_batch_size > 0) + [max(1, length) for length in tensor.dims]
        element = DataType.Name(tensor.data_type).removeprefix("TYPE_")
        elements = 1
        for length in shape:
            elements *= length
        request.inputs.add(name=tensor.name, datatype=element, shape=shape)
        request.raw_input_contents.append(bytes(elements * _SIZES[element]))
    return request


def _unavailable(error: grpc.aio.AioRpcError) -> UnavailableError:
    return UnavailableError(f"triton: {error.code().name} {error.details()}")
