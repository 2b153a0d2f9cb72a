"""The parity check finds every difference and accepts what is within tolerance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper
from torch import Tensor, nn

from motioncast.export.parity import Arrays, Case, ParityError, compare
from motioncast.export.specification import (
    BATCH,
    ModelSpecification,
    TensorSpecification,
    Tolerance,
)

CASES = (Case(1, 1, 0), Case(3, 1, 1))
SPECIFICATION = ModelSpecification(
    name="scale",
    description="",
    inputs=(TensorSpecification("x", "float32", (BATCH, 4)),),
    outputs=(
        TensorSpecification("double", "float32", (BATCH, 4)),
        TensorSpecification("level", "uint8", (BATCH, 4)),
    ),
    tolerances={"double": Tolerance(1e-6), "level": Tolerance(1, differing_share=0.25)},
    max_batch_size=1,
    dynamic_batching=False,
)


def scale_model(
    factor: float, double: str = "double", level: int = TensorProto.UINT8
) -> ModelProto:
    """Returns a model with double = factor * x and level = x, cast."""
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "factor"], [double]),
            helper.make_node("Cast", ["x"], ["level"], to=level),
        ],
        "scale",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [BATCH, 4])],
        [
            helper.make_tensor_value_info(double, TensorProto.FLOAT, [BATCH, 4]),
            helper.make_tensor_value_info("level", level, [BATCH, 4]),
        ],
        [helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])],
    )
    opset = helper.make_opsetid("", 20)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10)


class Scale(nn.Module):
    """The reference of `scale_model`, with an error added to its levels."""

    def __init__(self, *level_errors: int) -> None:
        super().__init__()
        self.level_errors = torch.tensor(level_errors or (0, 0, 0, 0), dtype=torch.uint8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * x, x.byte() + self.level_errors


def draw(case: Case) -> Arrays:
    values = np.random.default_rng(case.seed).integers(1, 200, (case.batch, 4))
    return {"x": values.astype(np.float32)}


def test_a_model_that_agrees_is_reported_with_its_differences() -> None:
    agreement = compare(scale_model(2.0), Scale(), SPECIFICATION, draw, CASES)
    assert [(name, found.largest) for name, found in agreement.items()] == [
        ("double", 0.0),
        ("level", 0.0),
    ]


def test_every_output_that_differs_is_reported_for_every_case() -> None:
    with pytest.raises(ParityError) as raised:
        compare(scale_model(2.5), Scale(2, 2, 2, 2), SPECIFICATION, draw, CASES)
    mismatches = raised.value.mismatches
    assert [mismatch.split(":")[0] for mismatch in mismatches] == [
        "double (batch 1, time 1, seed 0)",
        "level (batch 1, time 1, seed 0)",
        "level (batch 1, time 1, seed 0)",
        "double (batch 3, time 1, seed 1)",
        "level (batch 3, time 1, seed 1)",
        "level (batch 3, time 1, seed 1)",
    ]
    assert "differs by up to 2, tolerance 1" in mismatches[1]
    assert "100.000% of the values differ, tolerance 25.000%" in mismatches[2]
    assert all(mismatch in str(raised.value) for mismatch in mismatches)


def test_one_level_in_one_of_four_pixels_is_within_tolerance() -> None:
    agreement = compare(scale_model(2.0), Scale(1, 0, 0, 0), SPECIFICATION, draw, CASES)
    assert (agreement["level"].largest, agreement["level"].differing_share) == (1.0, 0.25)


def test_one_level_in_two_of_four_pixels_is_not() -> None:
    with pytest.raises(ParityError, match=r"50\.000% of the values differ"):
        compare(scale_model(2.0), Scale(1, 1, 0, 0), SPECIFICATION, draw, CASES)


def test_nan_is_a_mismatch() -> None:
    with pytest.raises(ParityError, match="differs by up to nan"):
        compare(scale_model(float("nan")), Scale(), SPECIFICATION, draw, CASES)


def test_names_and_element_types_are_reported_together_before_any_value() -> None:
    model = scale_model(3.0, level=TensorProto.INT8)
    expected = replace(SPECIFICATION, inputs=(TensorSpecification("image", "float32", (BATCH, 4)),))
    with pytest.raises(ParityError) as raised:
        compare(model, Scale(), expected, draw, CASES)
    assert raised.value.mismatches == (
        "inputs: are ['x'], expected ['image']",
        "level: is tensor(int8), expected uint8",
    )


def test_an_axis_of_another_length_is_reported() -> None:
    expected = replace(SPECIFICATION, inputs=(TensorSpecification("x", "float32", (BATCH, 5)),))
    with pytest.raises(ParityError, match=r"x: has axes \['batch', 4\], expected \('batch', 5\)"):
        compare(scale_model(2.0), Scale(), expected, draw, CASES)
