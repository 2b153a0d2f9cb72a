"""An engine whose models run on a server: Triton, or another that speaks KServe v2."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Self, TypeVar

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2, service_pb2_grpc

from motioncast.inference.engine import Array, Inference, ModelMetadata
from motioncast.inference.kserve.errors import RETRY_AFTER_SECONDS, translate
from motioncast.inference.kserve.remote import RemoteModel, describe
from motioncast.inference.kserve.settings import KServeSettings, open_channel
from motioncast.inference.kserve.shared import SharedMemory
from motioncast.inference.kserve.tensors import decode_tensors, encode_tensors
from motioncast.wire.errors import (
    DomainError,
    ExhaustedError,
    InvalidInputError,
    UnavailableError,
    UnknownModelError,
)
from motioncast.wire.sessions import session_metadata

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

RUN_NANOSECONDS: Final = "motioncast_run_ns"  # how long the model ran, if a response tells
_QUESTION_SECONDS: Final = 10.0  # for an answer to what costs a server nothing
_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 0.5


class KServeEngine:
    """Runs the models of a server from entering its block to leaving it.

    `Inference.seconds` is how long the model ran where the server tells it, as this project's
    does. Triton does not: it is then the time of the whole call, the wait for its turn included.

    Args:
        settings: How the server is reached.
    """

    def __init__(self, settings: KServeSettings) -> None:
        self.settings = settings
        self._models: dict[str, RemoteModel] = {}  # that could run once
        self._ready: frozenset[str] = frozenset()  # when the server was last asked
        self._offered: frozenset[str] = frozenset()  # likewise, those that cannot run too
        self._wanted: frozenset[str] = frozenset()  # what ran when the engine was opened
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self._memory: SharedMemory | None = None

    async def __aenter__(self) -> Self:
        """Connects, and learns what the server's models take and give.

        Raises:
            UnavailableError: No server answers within `connect_seconds`.
            InvalidInputError: A file of certificates cannot be read.
        """
        self._channel = open_channel(self.settings)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        if self.settings.shared_memory_bytes is not None and self.settings.is_local:
            self._memory = SharedMemory(
                self._stub, self.settings.shared_memory_bytes, self.settings.metadata
            )
        try:
            await self._persist(self._begin, "", self.settings.connect_seconds)
        except BaseException:
            await self._close()
            raise
        self._wanted = self._ready
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._close()

    async def infer(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        """Runs a model once; see `Engine.infer`.

        Where the server does not answer, has no room, or is loading the model anew, the run is
        tried again until the caller gives it up, for at most `retry_seconds`.

        Raises:
            ExhaustedError: The inputs or the outputs exceed the limit of a message.
        """
        self._check_open()
        await self._check(model, inputs)
        return await self._persist(
            lambda: self._run(model, inputs), model, self.settings.retry_seconds
        )

    def models(self) -> tuple[str, ...]:
        """Returns the names of the models that could run when the server was last asked."""
        return tuple(sorted(self._ready))

    def offered(self) -> tuple[str, ...]:
        """Returns the names of all models of the server, when it was last asked."""
        return tuple(sorted(self._offered | self._ready))

    def metadata(self, model: str) -> ModelMetadata:
        """Returns what a model takes and gives; see `Engine.metadata`."""
        if model not in self._ready:
            raise self._unknown(model)
        return self._models[model].metadata

    async def ready(self) -> bool:
        """Asks the server whether all models can run that could when the engine was opened."""
        if self._channel is None:
            return False
        try:
            ready = await self._index()
        except grpc.aio.AioRpcError:
            return False
        self._ready &= ready
        for model in ready - self._ready:
            with suppress(grpc.aio.AioRpcError, DomainError):  # others are served all the same
                await self._learn(model)
        return self._wanted <= ready

    async def _begin(self) -> None:
        """Learns the models of a server that is ready, or of one that has some that are."""
        answer = await self._ask(self._stub.ServerReady, service_pb2.ServerReadyRequest())
        ready = await self._index()
        if not ready and not answer.ready:
            raise UnavailableError(
                f"the model server at {self.settings.address} is not ready",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        for model in ready:
            try:
                await self._learn(model)
            except InvalidInputError as error:
                _log.error("the model %s cannot be used: %s", model, error)

    async def _index(self) -> frozenset[str]:
        """Returns the names of the models that can run."""
        index = await self._ask(self._stub.RepositoryIndex, service_pb2.RepositoryIndexRequest())
        self._offered = frozenset(model.name for model in index.models)
        return frozenset(model.name for model in index.models if model.state == "READY")

    async def _learn(self, model: str) -> None:
        """Asks what a model takes and gives."""
        metadata = await self._ask(
            self._stub.ModelMetadata, service_pb2.ModelMetadataRequest(name=model)
        )
        config = await self._ask(self._stub.ModelConfig, service_pb2.ModelConfigRequest(name=model))
        self._models[model] = describe(metadata, config.config)
        self._ready |= {model}

    async def _check(self, model: str, inputs: Mapping[str, Array]) -> None:
        """Refuses what the model cannot take; asks again before it does: a version may be new."""
        known = self._models.get(model)
        if known is not None:
            try:
                known.check(inputs)
                return
            except InvalidInputError:
                pass
        await self._persist(
            lambda: self._learn(model), model, self.settings.retry_seconds if known else 0.0
        )
        self._models[model].check(inputs)

    async def _run(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        started = time.perf_counter()
        answer = None
        if self._memory is not None and self._memory.worth(model, inputs):
            answer = await self._memory.run(model, inputs)
        outputs, response = answer or await self._run_by_message(model, inputs)
        seconds = time.perf_counter() - started
        if RUN_NANOSECONDS in response.parameters:
            seconds = response.parameters[RUN_NANOSECONDS].int64_param / 1e9
        return Inference(outputs, seconds)

    async def _run_by_message(
        self, model: str, inputs: Mapping[str, Array]
    ) -> tuple[dict[str, Array], Any]:
        """Returns the outputs and the response of a run."""
        described, raw = encode_tensors(inputs, service_pb2.ModelInferRequest.InferInputTensor)
        request = service_pb2.ModelInferRequest(
            model_name=model, inputs=described, raw_input_contents=raw
        )
        self._check_size(f"the inputs of {model}", request)
        response = await self._stub.ModelInfer(request, metadata=session_metadata())
        self._check_size(f"the outputs of {model}", response)
        try:
            outputs = decode_tensors(response.outputs, response.raw_output_contents)
        except InvalidInputError as error:  # not by the caller
            raise RuntimeError(f"{model} was answered wrongly: {error}") from error
        if self._memory is not None:
            self._memory.learn(model, inputs, outputs)
        return outputs, response

    async def _ask(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        metadata = self.settings.metadata
        return await method(request, timeout=_QUESTION_SECONDS, metadata=metadata)

    async def _persist(
        self, attempt: Callable[[], Awaitable[Result]], model: str, seconds: float
    ) -> Result:
        """Returns what an attempt gives, the first that finds the server within the time."""
        until, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await attempt()
            except grpc.aio.AioRpcError as error:
                known = model in self._models
                failure = translate(error, self.settings.address, model, known=known)
                details = error.details()
            except UnavailableError as error:
                failure, details = error, str(error)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if (
                    task is not None and not task.cancelling()
                ):  # not cancelled by the caller: it was closed
                    raise UnavailableError("engine: closed before the run ended") from None
                raise
            passing = isinstance(failure, DomainError) and failure.retry_after_seconds
            if not passing:
                raise failure
            if time.monotonic() + pause > until:
                _log.warning("%s: %s", failure, details)
                raise failure
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            self._check_open()

    def _check_open(self) -> None:
        if self._channel is None:
            raise UnavailableError("engine: not open")

    def _check_size(self, what: str, message: Any) -> None:
        size, limit = message.ByteSize(), self.settings.max_message_bytes
        if size > limit:
            raise ExhaustedError(
                f"message: {what} take {size} bytes, which exceed the limit of {limit}",
                field="message",
            )

    def _unknown(self, model: str) -> UnknownModelError:
        known = ", ".join(self.models()) or "none"
        return UnknownModelError(
            f"model: {model} is not served by the model server at {self.settings.address}; "
            f"there are: {known}",
            field="model",
        )

    async def _close(self) -> None:
        channel, self._channel = self._channel, None
        memory, self._memory = self._memory, None
        if channel is not None:
            if memory is not None:
                await memory.close()
            await channel.close()
        self._models, self._ready = {}, frozenset()
