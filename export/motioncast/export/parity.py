"""Compares an ONNX file, run by ONNX Runtime, with the PyTorch module it was exported from.

Names, axes and element types are compared first, then values at several shapes and seeds. All
mismatches are collected and reported together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import nn

from motioncast.export.specification import ModelSpecification, TensorSpecification, Tolerance

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison: a shape and the seed of its random inputs."""

    batch: int
    time: int
    seed: int

    def __str__(self) -> str:
        return f"batch {self.batch}, time {self.time}, seed {self.seed}"


CASES = (Case(1, 1, 0), Case(1, 6, 1), Case(2, 1, 2), Case(2, 3, 3), Case(3, 2, 4))


class ParityError(Exception):
    """An ONNX file does not match its PyTorch module; `mismatches` lists every difference."""

    def __init__(self, model: str, mismatches: list[str]) -> None:
        super().__init__("\n  ".join([f"{model}: differs from PyTorch:", *mismatches]))
        self.model = model
        self.mismatches = tuple(mismatches)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How closely an output matched in the worst case."""

    largest: float  # greatest difference of any value
    differing_share: float  # share of values that differ at all


def compare(
    model: ModelProto,
    reference: nn.Module,
    specification: ModelSpecification,
    draw: Callable[[Case], Arrays],
    cases: tuple[Case, ...] = CASES,
) -> dict[str, Agreement]:
    """Returns how well every output agrees over all cases.

    `draw` generates the inputs of a case, by name. Raises ParityError with every mismatch if the
    interface differs from the specification or a difference exceeds its tolerance.
    """
    session = _session(model)
    mismatches = _interface_mismatches(session, specification)
    if mismatches:
        raise ParityError(specification.name, mismatches)
    worst = {tensor.name: Agreement(0.0, 0.0) for tensor in specification.outputs}
    for case in cases:
        inputs = draw(case)
        actual = dict(zip(worst, session.run(list(worst), inputs), strict=True))
        expected = _run_reference(reference, specification, inputs)
        for tensor in specification.outputs:
            found, agreement = _compare_values(
                tensor, case, actual[tensor.name], expected[tensor.name],
                specification.tolerances[tensor.name],
            )  # fmt: skip
            mismatches += found
            worst[tensor.name] = _worse(worst[tensor.name], agreement)
    if mismatches:
        raise ParityError(specification.name, mismatches)
    return worst


def _session(model: ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _interface_mismatches(
    session: onnxruntime.InferenceSession, specification: ModelSpecification
) -> list[str]:
    mismatches = []
    for kind, found, expected in (
        ("inputs", session.get_inputs(), specification.inputs),
        ("outputs", session.get_outputs(), specification.outputs),
    ):
        names, expected_names = [i.name for i in found], [tensor.name for tensor in expected]
        if names != expected_names:
            mismatches.append(f"{kind}: are {names}, expected {expected_names}")
            continue
        for value, tensor in zip(found, expected, strict=True):
            if tuple(value.shape) != tensor.axes:
                mismatches.append(f"{value.name}: has axes {value.shape}, expected {tensor.axes}")
            if value.type != _ELEMENT_TYPES[tensor.element]:
                mismatches.append(f"{value.name}: is {value.type}, expected {tensor.element}")
    return mismatches


_ELEMENT_TYPES = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}


def _run_reference(
    reference: nn.Module,
    specification: ModelSpecification,
    inputs: Mapping[str, NDArray[np.generic]],
) -> Arrays:
    tensors = [torch.from_numpy(inputs[tensor.name]) for tensor in specification.inputs]
    with torch.inference_mode():
        outputs = reference.eval()(*tensors)
    if isinstance(outputs, torch.Tensor):
        outputs = (outputs,)
    names = [tensor.name for tensor in specification.outputs]
    return {name: output.numpy() for name, output in zip(names, outputs, strict=True)}


def _compare_values(
    tensor: TensorSpecification,
    case: Case,
    actual: NDArray[np.generic],
    expected: NDArray[np.generic],
    tolerance: Tolerance,
) -> tuple[list[str], Agreement]:
    where = f"{tensor.name} ({case})"
    shape = tensor.shape(case.batch, case.time)
    mismatches = [
        f"{where}: {origin} gives {array.dtype} {array.shape}, expected {tensor.element} {shape}"
        for origin, array in (("ONNX", actual), ("PyTorch", expected))
        if array.shape != shape or array.dtype != tensor.dtype
    ]
    if mismatches:
        return mismatches, Agreement(0.0, 0.0)
    difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    agreement = Agreement(float(difference.max()), float(np.mean(difference != 0)))
    # `not ... <=` rather than `>`, so that NaN counts as a mismatch.
    if not agreement.largest <= tolerance.largest:
        mismatches.append(
            f"{where}: differs by up to {agreement.largest:.3g}, tolerance {tolerance.largest:.3g}"
        )
    if agreement.differing_share > tolerance.differing_share:
        mismatches.append(
            f"{where}: {agreement.differing_share:.3%} of the values differ,"
            f" tolerance {tolerance.differing_share:.3%}"
        )
    return mismatches, agreement


def _worse(one: Agreement, other: Agreement) -> Agreement:
    return Agreement(
        max(one.largest, other.largest), max(one.differing_share, other.differing_share)
    )
