"""The committed model repository is what the committed checkpoints give, and Triton can read it."""

from pathlib import Path

import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from motioncast.export.exporter import Exportable, fingerprint, read_checkpoints
from motioncast.export.fusion import fused, leftovers, optimised, unfused
from motioncast.export.graph import check, operators
from motioncast.export.parity import compare
from motioncast.export.sampling import draw_inputs
from motioncast.export.triton import print_config

ROOT = Path(__file__).parents[3]
REPOSITORY = ROOT / "model_repository"
CHECKPOINTS = ROOT / "training" / "checkpoints"
MODELS = sorted(path.name for path in REPOSITORY.iterdir())
DATA_TYPES = {"tensor(uint8)": triton.TYPE_UINT8, "tensor(float)": triton.TYPE_FP32}


@pytest.fixture(scope="module")
def shipped() -> dict[str, tuple[Exportable, Path]]:
    found = []
    for name in ("lite128", "lite128_bridge"):
        found += read_checkpoints(
            "lite128",
            synthesis=CHECKPOINTS / f"{name}_synthesis.pt",
            predictor=CHECKPOINTS / f"{name}_predictor.pt",
            name=name,
        )
    return {one.specification.name: (one, path) for one, path in found}


def test_every_model_of_the_configuration_is_shipped(
    shipped: dict[str, tuple[Exportable, Path]],
) -> None:
    assert sorted(shipped) == MODELS


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_is_small_and_standard(name: str) -> None:
    path = REPOSITORY / name / "1" / "model.onnx"
    assert path.stat().st_size < 8 * 2**20
    check(onnx.load(path))


@pytest.mark.parametrize("name", MODELS)
def test_every_norm_and_activation_of_a_shipped_model_is_part_of_its_convolution(name: str) -> None:
    model = onnx.load(REPOSITORY / name / "1" / "model.onnx")
    assert leftovers(model) == []
    loaded = optimised(model)
    assert unfused(loaded) == []
    activations = operators(model).get("Relu", 0) if operators(model).get("Conv") else 0
    assert fused(loaded) >= activations - 2  # two follow sums of branches


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_config_names_the_tensors_of_its_onnx_file(name: str) -> None:
    folder = REPOSITORY / name
    config = text_format.Parse((folder / "config.pbtxt").read_text(), triton.ModelConfig())
    assert (config.name, config.backend) == (name, "onnxruntime")
    session = onnxruntime.InferenceSession(
        folder / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    for described, actual in (
        (config.input, session.get_inputs()),
        (config.output, session.get_outputs()),
    ):
        assert [(one.name, one.data_type, list(one.dims)) for one in described] == [
            (
                one.name,
                DATA_TYPES[one.type],
                [-1 if isinstance(axis, str) else axis for axis in one.shape[1:]],
            )
            for one in actual
        ]
        assert all(one.shape[0] == "batch" for one in actual)


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_config_is_what_an_export_would_write(
    name: str, shipped: dict[str, tuple[Exportable, Path]]
) -> None:
    exportable, _ = shipped[name]
    assert (REPOSITORY / name / "config.pbtxt").read_text() == print_config(
        exportable.specification
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_computes_what_its_checkpoint_does(
    name: str, shipped: dict[str, tuple[Exportable, Path]]
) -> None:
    exportable, checkpoint = shipped[name]
    model = onnx.load(REPOSITORY / name / "1" / "model.onnx")
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["checkpoint_sha256"] == fingerprint(checkpoint)
    compare(
        model,
        exportable.reference,
        exportable.specification,
        lambda case: draw_inputs(exportable.specification, case),
    )
