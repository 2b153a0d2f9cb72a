"""One ModelInfer: decodes the request's arrays, runs the model, encodes the response; timed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2

from motioncast.inference import Inference, MeasuredEngine, ModelState, Part
from motioncast.inference.engine import Array
from motioncast.inference.kserve.datatypes import datatype_of
from motioncast.inference.kserve.link import RUN_NANOSECONDS
from motioncast.inference.kserve.remote import check_batch
from motioncast.inference.kserve.tensors import decode_tensors, encode_tensors
from motioncast.model_server.models import ServedModels
from motioncast.model_server.shared_memory import SharedMemory
from motioncast.model_server.statistics import Statistics, Timing
from motioncast.serving import Deadline
from motioncast.wire.errors import InvalidInputError, UnknownModelError


class Runner:
    """Runs the models that requests name."""

    def __init__(
        self,
        engine: MeasuredEngine,
        models: ServedModels,
        statistics: Statistics,
        memory: SharedMemory,
    ) -> None:
        self._engine = engine
        self._models = models
        self._statistics = statistics
        self._memory = memory

    async def run(self, request: Any, deadline: Deadline) -> Any:
        """Returns the ModelInferResponse to a ModelInferRequest.

        Raises:
            UnknownModelError: There is no such model, or not in that version.
            InvalidInputError: The inputs or requested outputs are not the model's.
            UnavailableError: The model cannot run.
            DeadlineError: The deadline passed.
        """
        state = self._models.resolve(request.model_name, request.model_version)
        started = time.perf_counter_ns()
        try:
            return await self._run(state, request, deadline, started)
        except BaseException:
            elapsed = time.perf_counter_ns() - started
            self._statistics.failed(state.name, state.version, elapsed)
            raise

    async def _run(self, state: ModelState, request: Any, deadline: Deadline, started: int) -> Any:
        max_batch_size = self._models.config(state).max_batch_size
        inputs = decode_tensors(request.inputs, request.raw_input_contents, self._memory.stretch)
        for name, array in inputs.items():
            check_batch(name, array, max_batch_size)
        wanted = _outputs(state, self._models.metadata(state).outputs, request.outputs)
        elsewhere = {tensor.name: self._memory.stretch(tensor) for tensor in request.outputs}
        decoded = time.perf_counter_ns()
        run = await self._engine.infer(state.name, inputs, deadline.remaining_seconds())
        inferred = time.perf_counter_ns()
        response = _respond(state, request, run, wanted, elsewhere)
        ran = round(run.seconds * 1e9)
        timing = Timing(
            decode=decoded - started,
            queue=max(0, inferred - decoded - ran),
            run=ran,
            encode=time.perf_counter_ns() - inferred,
        )
        batch = _batch(inputs) if max_batch_size else 1
        self._statistics.succeeded(state.name, state.version, batch, timing)
        for part in run.parts:
            self._count(part)
        return response

    def _count(self, part: Part) -> None:
        """Counts a run within an ensemble; its waiting time counts for the ensemble."""
        try:
            state = self._models.find(part.model, "")
        except UnknownModelError:
            return  # unloaded meanwhile
        batch = part.length if state.ready and self._models.config(state).max_batch_size else 1
        timing = Timing(decode=0, queue=0, run=round(part.seconds * 1e9), encode=0)
        self._statistics.succeeded(state.name, state.version, batch, timing)


def _outputs(state: ModelState, has: Sequence[Any], asked: Sequence[Any]) -> list[str]:
    """Returns the names of the requested outputs, all when none is requested."""
    names = [tensor.name for tensor in has]
    for tensor in asked:
        if tensor.name not in names:
            raise InvalidInputError.of(
                "outputs",
                f"the model {state.name} has no output {tensor.name}; it has {', '.join(names)}",
            )
        if "classification" in tensor.parameters:
            raise InvalidInputError.of("outputs", "classification is not supported")
    return list(dict.fromkeys(tensor.name for tensor in asked)) or names


def _respond(
    state: ModelState,
    request: Any,
    run: Inference,
    wanted: Sequence[str],
    elsewhere: Mapping[str, memoryview | None],
) -> Any:
    """Returns the response; like Triton's, it omits the bytes of outputs in shared memory."""
    described, raw = encode_tensors(
        {name: run[name] for name in wanted if elsewhere.get(name) is None},
        service_pb2.ModelInferResponse.InferOutputTensor,
    )
    for name in wanted:
        memory = elsewhere.get(name)
        if memory is not None:
            array = np.asarray(run[name])
            _write(name, array, memory)
            tensor = service_pb2.ModelInferResponse.InferOutputTensor(
                name=name, datatype=datatype_of(array.dtype), shape=array.shape
            )
            described.append(tensor)
            raw.append(b"")
    response = service_pb2.ModelInferResponse(
        model_name=state.name,
        model_version=str(state.version),
        id=request.id,
        outputs=described,
        raw_output_contents=raw,
    )
    response.parameters[RUN_NANOSECONDS].int64_param = round(run.seconds * 1e9)
    return response


def _write(name: str, array: Array, memory: memoryview) -> None:
    if array.nbytes > len(memory):
        raise InvalidInputError.of(
            name, f"{array.nbytes} bytes do not fit into the {len(memory)} of its region"
        )
    there = np.frombuffer(memory[: array.nbytes], array.dtype)
    np.copyto(there.reshape(array.shape), array)


def _batch(inputs: Mapping[str, Array]) -> int:
    return max((len(array) for array in inputs.values()), default=1)
