"""config.pbtxt agrees with the specification."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from motioncast.export.specification import (
    ModelSpecification,
    keypoint_specification,
    predictor_specification,
    registration_specification,
    synthesis_specification,
)
from motioncast.export.triton import print_config, print_gpu_config
from motioncast.models.configurations import FACE256, PAPER64
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.vrnn import VRNN
from motioncast.models.source_weights import source_weights
from motioncast.sources import parse_weights


def parsed(specification: ModelSpecification) -> triton.ModelConfig:
    return text_format.Parse(print_config(specification), triton.ModelConfig())


SIZES = PredictorSizes(keypoints=2, hidden=4, latent=3, features=4)
NETWORKS = (
    keypoint_specification(PAPER64),
    synthesis_specification(PAPER64),
    predictor_specification("paper64", VRNN(SIZES)),
)
# The TensorRT parameters listed in the README of Triton's ONNX Runtime backend.
TENSORRT_PARAMETERS = {
    "precision_mode",
    "max_workspace_size_bytes",
    "trt_engine_cache_enable",
    "trt_engine_cache_path",
    "trt_engine_cache_prefix",
    "trt_timing_cache_enable",
    "trt_timing_cache_path",
}


def parsed_for_gpus(specification: ModelSpecification) -> triton.ModelConfig:
    assert specification.gpu is not None
    text = print_gpu_config(specification, specification.gpu)
    return text_format.Parse(text, triton.ModelConfig())


def test_dims_leave_out_the_batch_and_write_time_as_minus_one() -> None:
    config = parsed(synthesis_specification(PAPER64))
    assert [(one.name, one.data_type, list(one.dims)) for one in config.input] == [
        ("source_image", triton.TYPE_UINT8, [64, 64, 3]),
        ("source_keypoints", triton.TYPE_FP32, [10, 3]),
        ("driving_keypoints", triton.TYPE_FP32, [-1, 10, 3]),
    ]
    assert [(one.name, one.data_type, list(one.dims)) for one in config.output] == [
        ("image", triton.TYPE_UINT8, [-1, 64, 64, 3])
    ]
    assert config.max_batch_size == 8


def test_a_model_runs_once_on_the_cpu_in_onnx_runtime() -> None:
    config = parsed(synthesis_specification(PAPER64))
    assert (config.name, config.backend) == ("paper64_synthesis", "onnxruntime")
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, triton.ModelInstanceGroup.KIND_CPU)
    assert config.version_policy.latest.num_versions == 1


def test_only_models_that_gain_from_it_are_batched_dynamically() -> None:
    predictor = parsed(predictor_specification("paper64", VRNN(SIZES)))
    assert predictor.HasField("dynamic_batching")
    assert predictor.dynamic_batching.max_queue_delay_microseconds == 0
    for specification in (keypoint_specification(PAPER64), synthesis_specification(PAPER64)):
        assert not parsed(specification).HasField("dynamic_batching")


def test_the_predictors_state_is_as_long_as_the_networks() -> None:
    config = parsed(predictor_specification("paper64", VRNN(SIZES)))
    # Noise: the latent's and the path's. State: hidden; previous keypoints, velocity, surprise
    # and deviation, 2 x 3 each; frames since the last observed one; whether any was seen.
    assert {one.name: list(one.dims) for one in config.input} == {
        "keypoints": [-1, 2, 3],
        "observed": [-1],
        "noise": [-1, 3 + 6],
        "state": [4 + 4 * 6 + 2],
    }


@pytest.mark.parametrize("specification", NETWORKS, ids=lambda one: one.name)
def test_a_model_warms_up_on_small_shapes_that_it_takes(specification: ModelSpecification) -> None:
    config = parsed(specification)
    (warm_up,) = config.model_warmup
    assert warm_up.batch_size == 1
    assert set(warm_up.inputs) == {one.name for one in config.input}
    for one in config.input:
        given = warm_up.inputs[one.name]
        assert (given.data_type, given.zero_data) == (one.data_type, True)
        for length, axis in zip(given.dims, one.dims, strict=True):
            assert length == axis or (axis == -1 and 1 <= length <= 4)


@pytest.mark.parametrize("specification", NETWORKS, ids=lambda one: one.name)
def test_gpus_serve_the_same_tensors(specification: ModelSpecification) -> None:
    cpu, gpu = parsed(specification), parsed_for_gpus(specification)
    for field in ("name", "backend", "max_batch_size", "input", "output", "version_policy"):
        assert getattr(gpu, field) == getattr(cpu, field)
    (group,) = gpu.instance_group
    assert group.kind == triton.ModelInstanceGroup.KIND_GPU
    assert group.count >= 1
    preferred = gpu.dynamic_batching.preferred_batch_size
    assert preferred
    assert max(preferred) <= gpu.max_batch_size


def test_calls_of_one_session_are_never_joined() -> None:
    specification = registration_specification(FACE256)
    for config in (parsed(specification), parsed_for_gpus(specification)):
        assert config.max_batch_size == 0
        assert not config.HasField("dynamic_batching")
        assert [one.dims[0] for one in config.input] == [1, 1, -1, -1]
        assert [list(one.dims) for one in config.output] == [[-1, 80, 3]]


def test_tensorrt_takes_the_images_and_leaves_the_recurrence_in_float32() -> None:
    accelerators = {
        specification.name: parsed_for_gpus(
            specification
        ).optimization.execution_accelerators.gpu_execution_accelerator
        for specification in NETWORKS
    }
    assert not accelerators["paper64_predictor"]
    for part in ("keypoint", "synthesis"):
        (accelerator,) = accelerators[f"paper64_{part}"]
        assert accelerator.name == "tensorrt"
        assert set(accelerator.parameters) == TENSORRT_PARAMETERS
        assert accelerator.parameters["precision_mode"] == "FP16"
        assert accelerator.parameters["trt_engine_cache_enable"] == "1"
        assert accelerator.parameters["trt_engine_cache_prefix"] == f"paper64_{part}"


def test_threads_are_named_as_tritons_backend_names_them() -> None:
    parameters = parsed(NETWORKS[0]).parameters
    assert {name: one.string_value for name, one in parameters.items()} == {
        "intra_op_thread_count": "0",  # one per core
        "inter_op_thread_count": "1",
        "execution_mode": "0",  # sequential
    }


def test_how_many_keypoints_are_anchored_goes_with_the_detector() -> None:
    face = parsed(keypoint_specification(FACE256)).parameters
    assert face["anchored_keypoints"].string_value == "70"
    assert "anchored_keypoints" not in parsed(keypoint_specification(PAPER64)).parameters


def test_the_weights_of_a_face_s_keypoints_go_with_its_synthesis() -> None:
    config = parsed(synthesis_specification(FACE256))
    weights = parse_weights(config.parameters["source_weights"].string_value, 80)
    assert weights == source_weights(FACE256)
    assert "source_weights" not in parsed(synthesis_specification(PAPER64)).parameters
