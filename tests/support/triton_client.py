"""NVIDIA's client wrapped as an engine, so that the same tests run with either client."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, Self

from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from motioncast.inference import Inference, ModelMetadata
from motioncast.inference.engine import Array
from motioncast.wire import errors

_ERRORS: Final = {
    "StatusCode.INVALID_ARGUMENT": errors.InvalidInputError,
    "StatusCode.NOT_FOUND": errors.UnknownModelError,
    "StatusCode.RESOURCE_EXHAUSTED": errors.ExhaustedError,
    "StatusCode.UNAVAILABLE": errors.UnavailableError,
    "StatusCode.DEADLINE_EXCEEDED": errors.DeadlineError,
}


class TritonClientEngine:
    """Runs a server's models through tritonclient."""

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        self._address = address
        self._headers = dict(headers)

    async def __aenter__(self) -> Self:
        self._client = InferenceServerClient(self._address)
        index = await self._client.get_model_repository_index(headers=self._headers)
        self._models = tuple(sorted(each.name for each in index.models if each.state == "READY"))
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.close()

    async def infer(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        tensors = [
            InferInput(name, array.shape, np_to_triton_dtype(array.dtype)).set_data_from_numpy(
                array
            )
            for name, array in inputs.items()
        ]
        started = time.perf_counter()
        try:
            result = await self._client.infer(model, tensors)
        except InferenceServerException as error:
            raise _ERRORS.get(error.status(), RuntimeError)(error.message()) from None
        outputs = {each.name: result.as_numpy(each.name) for each in result.get_response().outputs}
        return Inference(outputs, time.perf_counter() - started)

    def models(self) -> tuple[str, ...]:
        return self._models

    def offered(self) -> tuple[str, ...]:
        return self._models

    def metadata(self, model: str) -> ModelMetadata:
        # Metadata tests cover only our own engines.
        raise errors.UnknownModelError(f"{model}: is not described here")

    async def ready(self) -> bool:
        ready: bool = await self._client.is_server_ready()
        return ready
