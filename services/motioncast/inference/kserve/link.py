"""The connection to one model server: its channel, and the memory shared with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2, service_pb2_grpc

from motioncast.inference.engine import Array, Inference
from motioncast.inference.kserve.errors import RETRY_AFTER_SECONDS, translate
from motioncast.inference.kserve.settings import KServeSettings, open_channel
from motioncast.inference.kserve.shared import SharedMemory
from motioncast.inference.kserve.tensors import decode_tensors, encode_tensors
from motioncast.wire.addresses import is_loopback
from motioncast.wire.errors import (
    DeadlineError,
    ExhaustedError,
    InvalidInputError,
    UnavailableError,
)
from motioncast.wire.sessions import session_metadata

RUN_NANOSECONDS: Final = "motioncast_run_ns"  # duration of the model's run, if reported
QUESTION_SECONDS: Final = 10.0  # timeout of calls that cost a server nothing


class Link:
    """The connection to one server, open from its creation until it is closed.

    Every call raises a domain error, or RuntimeError for an unforeseen failure; see `translate`.

    Args:
        settings: The engine's settings.
        target: Address of this server.
    """

    def __init__(self, settings: KServeSettings, target: str) -> None:
        self._settings = settings
        self._target = target
        self._channel = open_channel(settings, target)
        self._stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._memory: SharedMemory | None = None
        if settings.shared_memory_bytes is not None and is_loopback(target):
            self._memory = SharedMemory(self._stub, settings.shared_memory_bytes, settings.metadata)

    async def ask(self, method: str, request: Any, model: str = "", *, known: bool = False) -> Any:
        """Makes a call that costs the server nothing.

        Args:
            method: Name of a method of KServe's service.
            request: Its message.
            model: The model that the call is about; "" for all.
            known: Whether the server had the model before.
        """
        try:
            return await getattr(self._stub, method)(
                request, timeout=QUESTION_SECONDS, metadata=self._settings.metadata
            )
        except grpc.aio.AioRpcError as error:
            failure = translate(error, self._target, model, known=known)
            if isinstance(failure, DeadlineError):  # our timeout, not a caller's
                failure = UnavailableError(
                    f"the model server at {self._target} does not answer",
                    retry_after_seconds=RETRY_AFTER_SECONDS,
                )
            raise failure from error

    async def run(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        """Runs a model once, with inputs already checked.

        Raises:
            ExhaustedError: The inputs or the outputs exceed the limit of a message.
        """
        started = time.perf_counter()
        answer = None
        try:
            if self._memory is not None and self._memory.worth(model, inputs):
                answer = await self._memory.run(model, inputs)
            outputs, response = answer or await self._run_by_message(model, inputs)
        except grpc.aio.AioRpcError as error:
            raise translate(error, self._target, model, known=True) from error
        seconds = time.perf_counter() - started
        if RUN_NANOSECONDS in response.parameters:
            seconds = response.parameters[RUN_NANOSECONDS].int64_param / 1e9
        return Inference(outputs, seconds)

    async def close(self, grace: float | None = None) -> None:
        """Ends running calls after the grace period, and takes back shared memory."""
        memory, self._memory = self._memory, None
        if memory is not None:
            await memory.close()
        await self._channel.close(grace)

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
        except InvalidInputError as error:  # not the caller's fault
            raise RuntimeError(f"the response for {model} is invalid: {error}") from error
        if self._memory is not None:
            self._memory.learn(model, inputs, outputs)
        return outputs, response

    def _check_size(self, what: str, message: Any) -> None:
        size, limit = message.ByteSize(), self._settings.max_message_bytes
        if size > limit:
            raise ExhaustedError(
                f"message: {what} ({size} bytes) exceed the limit of {limit}",
                field="message",
            )
