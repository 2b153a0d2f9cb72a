"""config.pbtxt says to Triton what the specification says to us."""

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from motioncast.export.specification import (
    ModelSpecification,
    predictor_specification,
    synthesis_specification,
)
from motioncast.export.triton import print_config
from motioncast.models.configurations import PAPER64
from motioncast.models.predictor import PredictorSizes
from motioncast.models.vrnn import VRNN


def parsed(specification: ModelSpecification) -> triton.ModelConfig:
    return text_format.Parse(print_config(specification), triton.ModelConfig())


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
    sizes = PredictorSizes(keypoints=2, hidden=4, latent=3, features=4)
    predictor = parsed(predictor_specification("paper64", VRNN(sizes)))
    assert predictor.HasField("dynamic_batching")
    assert predictor.dynamic_batching.max_queue_delay_microseconds == 0
    assert not parsed(synthesis_specification(PAPER64)).HasField("dynamic_batching")


def test_the_predictors_state_is_as_long_as_the_networks() -> None:
    sizes = PredictorSizes(keypoints=2, hidden=4, latent=3, features=4)
    config = parsed(predictor_specification("paper64", VRNN(sizes)))
    # Noise: the latent's and the path's. State: hidden; the keypoints before, their velocity,
    # surprise and deviation, 2 x 3 each; frames since the last observed one; whether any was seen.
    assert {one.name: list(one.dims) for one in config.input} == {
        "keypoints": [-1, 2, 3],
        "observed": [-1],
        "noise": [-1, 3 + 6],
        "state": [4 + 4 * 6 + 2],
    }
