"""An ensemble's tensors match its models', and its steps form a dataflow."""

from __future__ import annotations

import pytest
from tritonclient.grpc import model_config_pb2 as triton
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.export.ensembles import EnsembleError, ensembles_of, glue_models_of
from motioncast.export.specification import (
    keypoint_specification,
    predictor_specification,
    synthesis_specification,
)
from motioncast.export.triton import model_config
from motioncast.models.configurations import LITE64, LITE128
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.vrnn import VRNN

SIZES = PredictorSizes(keypoints=LITE128.keypoints, hidden=4, latent=3, features=4)
NETWORKS = {
    "keypoint": model_config(keypoint_specification(LITE128)),
    "synthesis": model_config(synthesis_specification(LITE128)),
    "predictor": model_config(predictor_specification("lite128", VRNN(SIZES))),
}


def models(networks: dict[str, ModelConfig]) -> dict[str, ModelConfig]:
    """Returns networks and glue models by part."""
    glue_models = [glue.specification for glue in glue_models_of("lite128", networks)]
    by_part = {one.name.removeprefix("lite128_"): model_config(one) for one in glue_models}
    return {**networks, **by_part}


ENSEMBLES = ensembles_of("lite128", models(NETWORKS))


def test_without_a_predictor_frames_can_be_reconstructed() -> None:
    networks = {part: NETWORKS[part] for part in ("keypoint", "synthesis")}
    assert list(ensembles_of("lite128", models(networks))) == ["lite128_reconstruct"]
    assert glue_models_of("lite128", {"keypoint": NETWORKS["keypoint"]}) == ()
    assert len(ENSEMBLES) == 3


@pytest.mark.parametrize("name", ENSEMBLES)
def test_every_step_finds_its_inputs_made_before_it(name: str) -> None:
    config, known = ENSEMBLES[name], models(NETWORKS)
    assert (config.platform, config.backend) == ("ensemble", "")
    made = {one.name for one in config.input}
    used: set[str] = set()
    for step in config.ensemble_scheduling.step:
        model = known[step.model_name.removeprefix("lite128_")]
        assert set(step.input_map) == {one.name for one in model.input}
        assert set(step.output_map) <= {one.name for one in model.output}
        assert set(step.input_map.values()) <= made
        assert made.isdisjoint(step.output_map.values())
        made |= set(step.output_map.values())
        used |= set(step.input_map.values())
    outputs = {one.name for one in config.output}
    assert outputs <= made
    assert made == used | outputs


@pytest.mark.parametrize("name", ENSEMBLES)
def test_a_tensor_of_an_ensemble_is_as_its_models_have_it(name: str) -> None:
    config, known = ENSEMBLES[name], models(NETWORKS)
    own = {one.name: one for one in (*config.input, *config.output)}
    compared = 0
    for step in config.ensemble_scheduling.step:
        model = known[step.model_name.removeprefix("lite128_")]
        for names, declared in ((step.input_map, model.input), (step.output_map, model.output)):
            for one in declared:
                if one.name in names and names[one.name] in own:
                    ours = own[names[one.name]]
                    assert ours.data_type == one.data_type
                    theirs = full(list(one.dims), model)
                    for here, there in zip(full(list(ours.dims), config), theirs, strict=True):
                        assert -1 in (here, there) or here == there
                    compared += 1
    assert compared >= len(own)


def full(dims: list[int], config: ModelConfig) -> list[int]:
    return [-1, *dims] if config.max_batch_size else dims


def test_a_session_is_written_out_where_frames_are_the_batch() -> None:
    config = ENSEMBLES["lite128_motion_transfer"]
    assert config.max_batch_size == 0
    size, keypoints = LITE128.image_size, LITE128.keypoints
    assert {one.name: list(one.dims) for one in config.input} == {
        "frames": [-1, size, size, 3],
        "observed": [1, -1],
        "noise": [1, -1, NETWORKS["predictor"].input[2].dims[-1]],
        "state": [1, NETWORKS["predictor"].input[3].dims[-1]],
        "source_image": [1, size, size, 3],
        "source_keypoints": [1, keypoints, 3],
    }
    image = next(one for one in config.output if one.name == "image")
    assert (image.data_type, list(image.dims)) == (triton.TYPE_UINT8, [1, -1, size, size, 3])


def test_sessions_of_a_forecast_can_be_batched() -> None:
    config = ENSEMBLES["lite128_forecast"]
    assert config.max_batch_size == 8
    assert min(NETWORKS[part].max_batch_size for part in ("predictor", "synthesis")) == 8
    assert {one.name: len(one.dims) for one in config.input}["keypoints"] == 3


def test_models_that_do_not_fit_are_named() -> None:
    other = {**NETWORKS, "keypoint": model_config(keypoint_specification(LITE64))}
    with pytest.raises(EnsembleError, match=r"lite128_synthesis: .* has axes \[-1, .*16, 3\]"):
        ensembles_of("lite128", models(other))
    without = ModelConfig()
    without.CopyFrom(NETWORKS["predictor"])
    del without.output[1]
    with pytest.raises(EnsembleError, match="lite128_predictor: has no tensor half_width90"):
        ensembles_of("lite128", models({**NETWORKS, "predictor": without}))
