"""The parity check's random inputs are such as a served model may receive."""

import numpy as np
import pytest

from motioncast.export.parity import CASES, Case
from motioncast.export.sampling import draw_inputs
from motioncast.export.specification import (
    ModelSpecification,
    keypoint_specification,
    predictor_specification,
    synthesis_specification,
)
from motioncast.models.configurations import PAPER64
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.vrnn import VRNN

PREDICTOR = predictor_specification("paper64", VRNN(PredictorSizes(2, 4, 3, 4)))
SPECIFICATIONS = [keypoint_specification(PAPER64), synthesis_specification(PAPER64), PREDICTOR]


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=lambda one: str(one.name))
def test_inputs_have_the_specified_shapes_and_types(specification: ModelSpecification) -> None:
    inputs = draw_inputs(specification, Case(2, 3, 0))
    assert {name: (value.dtype, value.shape) for name, value in inputs.items()} == {
        tensor.name: (tensor.dtype, tensor.shape(2, 3)) for tensor in specification.inputs
    }


def test_the_same_seed_draws_the_same() -> None:
    for case in CASES:
        first, second = draw_inputs(PREDICTOR, case), draw_inputs(PREDICTOR, case)
        for name, value in first.items():
            np.testing.assert_array_equal(value, second[name])


def test_keypoints_are_nan_exactly_where_they_are_not_observed() -> None:
    inputs = draw_inputs(PREDICTOR, Case(4, 9, 5))
    hidden = inputs["observed"] == 0
    assert hidden.any()
    assert not hidden.all()
    np.testing.assert_array_equal(np.isnan(inputs["keypoints"]).all(axis=(2, 3)), hidden)
    assert np.isfinite(inputs["keypoints"][~hidden]).all()


def test_even_seeds_begin_a_session() -> None:
    assert not draw_inputs(PREDICTOR, Case(2, 3, 4))["state"].any()
    assert draw_inputs(PREDICTOR, Case(2, 3, 5))["state"].all()
