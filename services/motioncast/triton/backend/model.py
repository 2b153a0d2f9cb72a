"""A Python-based Triton backend that runs `<model>/<version>/model.onnx` with ONNX Runtime.

Where Triton comes without its native `onnxruntime` backend, a folder of that name with these files
takes its place, so that both serve one repository, byte for byte. The files run in the process that
Triton starts for each instance of a model, as a package with a different name: hence the relative
imports, and no imports of the rest of motioncast.

    requests -> those of equal shapes joined -> one run per group -> split -> responses

https://github.com/triton-inference-server/python_backend#python-based-custom-backends
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from .cancellation import CancellationWatch
from .session import RefusedError, UnfitError, check_axes, check_config, open_session

Array: TypeAlias = NDArray[Any]

_FATAL_ONLY: Final = 4  # errors are raised, and we log them


class TritonPythonModel:
    """One instance of a model; the name and the three methods are Triton's."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Loads the version of the model that Triton names and checks it against its config."""
        config = json.loads(args["model_config"])
        file = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        device = (args["model_instance_kind"], args["model_instance_device_id"])
        try:
            self._session = open_session(file, config, device)
            check_config(self._session, config)
        except UnfitError as error:
            if error.__cause__ is not None:
                pb_utils.Logger.log_error(f"{file}: {error.__cause__}")
            raise pb_utils.TritonModelException(f"{args['model_name']}: {error}") from None
        self._name = args["model_name"]
        self._batches = config["max_batch_size"] > 0
        self._watch = CancellationWatch()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Returns the response to each request, in order."""
        responses: dict[int, Any] = {}
        calls: list[Call] = []
        for place, request in enumerate(requests):
            if request.is_cancelled():
                responses[place] = _cancelled()
                continue
            call = Call.of(place, request)
            try:
                check_axes(self._session.get_inputs(), call.inputs)
                calls.append(call)
            except RefusedError as error:
                responses[place] = _failed(str(error), pb_utils.TritonError.INVALID_ARG)
        for group in group_calls(calls) if self._batches else [[call] for call in calls]:
            responses.update(self._respond(group))
        return [responses[place] for place in range(len(requests))]

    def finalize(self) -> None:
        """Stops the watch thread; the process ends next."""
        self._watch.close()

    def _respond(self, calls: Sequence[Call]) -> dict[int, Any]:
        """Runs calls of equal shapes as one; returns their responses by position."""
        try:
            results = self._run(calls)
        except Exception as error:  # ONNX Runtime's errors have no other common base
            if all(call.request.is_cancelled() for call in calls):
                return {call.place: _cancelled() for call in calls}
            if len(calls) > 1:  # an error in one of them must not fail the others
                return {place: it for call in calls for place, it in self._respond([call]).items()}
            pb_utils.Logger.log_error(f"a run of {self._name} failed: {error}")
            sentence = f"the run of {self._name} failed; see the server's log"
            return {calls[0].place: _failed(sentence, pb_utils.TritonError.INTERNAL)}
        return {
            call.place: pb_utils.InferenceResponse(
                [pb_utils.Tensor(name, result[name]) for name in call.outputs]
            )
            for call, result in zip(calls, results, strict=True)
        }

    def _run(self, calls: Sequence[Call]) -> list[dict[str, Array]]:
        names = sorted({name for call in calls for name in call.outputs})
        options = onnxruntime.RunOptions()
        options.log_severity_level = _FATAL_ONLY
        with self._watch.over([call.request for call in calls], options):
            values = self._session.run(names, join_inputs(calls), options)
        if len(calls) == 1:
            return [dict(zip(names, values, strict=True))]
        ends = list(itertools.accumulate(call.batch for call in calls))
        return [
            {name: value[end - call.batch : end] for name, value in zip(names, values, strict=True)}
            for call, end in zip(calls, ends, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, decoded.

    Attributes:
        place: Position among the requests that Triton passed together.
        request: Triton's request.
        inputs: By name, with the batch axis if the model has one.
        outputs: Names of the requested outputs.
    """

    place: int
    request: Any
    inputs: dict[str, Array]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, place: int, request: Any) -> Call:
        """Reads a request."""
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        return cls(place, request, inputs, tuple(request.requested_output_names()))

    @property
    def batch(self) -> int:
        """Size of its batch."""
        return len(next(iter(self.inputs.values())))


def group_calls(calls: Sequence[Call]) -> list[list[Call]]:
    """Groups the calls that one run can serve: their shapes differ only in the batch axis.

    Triton ensures that all of them together do not exceed the largest batch.
    """
    groups: dict[tuple[object, ...], list[Call]] = {}
    for call in calls:
        shapes = tuple((name, array.shape[1:]) for name, array in sorted(call.inputs.items()))
        groups.setdefault(shapes, []).append(call)
    return list(groups.values())


def join_inputs(calls: Sequence[Call]) -> dict[str, Array]:
    """Returns the inputs of all calls, concatenated along the batch axis."""
    if len(calls) == 1:
        return calls[0].inputs
    return {name: np.concatenate([call.inputs[name] for call in calls]) for name in calls[0].inputs}


def _cancelled() -> Any:
    return _failed("cancelled", pb_utils.TritonError.CANCELLED)


def _failed(sentence: str, code: int) -> Any:
    return pb_utils.InferenceResponse([], pb_utils.TritonError(sentence, code))
