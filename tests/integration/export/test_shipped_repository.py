"""The committed model repository matches the committed checkpoints, and Triton can read it."""

from pathlib import Path

import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from motioncast.export.ensemble_files import ensembles_around, write_ensembles
from motioncast.export.ensembles import PARTS
from motioncast.export.exportables import Exportable
from motioncast.export.exporter import fingerprint, read_checkpoints
from motioncast.export.fusion import fused, leftovers, optimised, unfused
from motioncast.export.graph import check, operators
from motioncast.export.parity import compare
from motioncast.export.sampling import draw_inputs
from motioncast.export.triton import print_config, print_gpu_config
from motioncast.framing import FINDER, FramingMode
from motioncast.inference.checksums import FILE_NAME as CHECKSUMS
from motioncast.inference.checksums import verify

ROOT = Path(__file__).parents[3]
REPOSITORY = ROOT / "model_repository"
CHECKPOINTS = ROOT / "training" / "checkpoints"
NETWORKS = {"face256": "face256", "lite128": "lite128", "lite128_bridge": "lite128"}
CONFIGURATIONS = tuple(NETWORKS)
FRAMING = {"lite128_bridge": FramingMode.OFF}  # a robot arm has no face
MODELS = sorted(  # the networks; only those of faces register keypoints
    f"{name}_{part}"
    for name in CONFIGURATIONS
    for part in PARTS
    if part != "registration" or name == "face256"
)
# Activations that do not directly follow a convolution. lite128's synthesis: two follow sums of
# branches, two the residual blocks on such a sum. face256's synthesis: two such sums.
# face256's detector: score, presence, a slope.
IN_THE_OPEN = {
    "lite128_synthesis": 4,
    "lite128_bridge_synthesis": 4,
    "face256_synthesis": 2,
    "face256_keypoint": 3,
}
OF_ONE_NUMBER = {"face256_keypoint": 1}  # the presence of a face: not worth fusing
DATA_TYPES = {"tensor(uint8)": triton.TYPE_UINT8, "tensor(float)": triton.TYPE_FP32}


@pytest.fixture(scope="module")
def shipped() -> dict[str, tuple[Exportable, Path]]:
    found = []
    for name, network in NETWORKS.items():
        found += read_checkpoints(
            network,
            synthesis=CHECKPOINTS / f"{name}_synthesis.pt",
            predictor=CHECKPOINTS / f"{name}_predictor.pt",
            name=name,
            framing=FRAMING.get(name, FramingMode.AUTO),
        )
    return {one.specification.name: (one, path) for one, path in found}


def test_the_networks_what_joins_them_and_the_finder_are_shipped_and_nothing_else(
    shipped: dict[str, tuple[Exportable, Path]],
) -> None:
    assert sorted(shipped) == MODELS
    expected = {FINDER, *MODELS}
    for name in CONFIGURATIONS:
        rest = ensembles_around(name, REPOSITORY, [])
        expected |= {glue.specification.name for glue in rest.glue_models} | set(rest.ensembles)
    assert {path.name for path in REPOSITORY.iterdir()} == expected


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_joins_the_shipped_networks_is_what_an_export_would_write(
    name: str, tmp_path: Path
) -> None:
    write_ensembles(tmp_path, ensembles_around(name, REPOSITORY, []))
    written_files = [path for path in tmp_path.rglob("*") if path.is_file()]
    # Checksums cover the whole file, including the version of motioncast in it.
    files = [path.relative_to(tmp_path) for path in written_files if path.name != CHECKSUMS]
    assert len(files) == 12  # configuration and version file of each of six
    for file in files:
        shipped, written = REPOSITORY / file, tmp_path / file
        if file.suffix == ".onnx":  # the recorded version of motioncast may differ
            assert onnx.load(shipped).graph == onnx.load(written).graph
        else:
            assert shipped.read_bytes() == written.read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_is_what_its_checksum_says(name: str) -> None:
    path = REPOSITORY / name / "1" / "model.onnx"
    assert verify(path) == (REPOSITORY / name / CHECKSUMS).exists()


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_is_small_and_standard(name: str) -> None:
    path = REPOSITORY / name / "1" / "model.onnx"
    assert path.stat().st_size < 16 * 2**20
    check(onnx.load(path))


@pytest.mark.parametrize("name", MODELS)
def test_every_norm_and_activation_of_a_shipped_model_is_part_of_its_convolution(name: str) -> None:
    model = onnx.load(REPOSITORY / name / "1" / "model.onnx")
    assert leftovers(model) == []
    loaded = optimised(model)
    assert len(unfused(loaded)) == OF_ONE_NUMBER.get(name, 0)
    kinds = operators(model) if operators(model).get("Conv") else {}
    activations = sum(kinds.get(kind, 0) for kind in ("Relu", "LeakyRelu", "Sigmoid"))
    assert activations - fused(loaded) == IN_THE_OPEN.get(name, 0)


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_config_names_the_tensors_of_its_onnx_file(name: str) -> None:
    folder = REPOSITORY / name
    config = text_format.Parse((folder / "config.pbtxt").read_text(), triton.ModelConfig())
    assert (config.name, config.backend) == (name, "onnxruntime")
    session = onnxruntime.InferenceSession(
        folder / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    skipped = 1 if config.max_batch_size else 0  # the batch axis is not listed
    for described, actual in (
        (config.input, session.get_inputs()),
        (config.output, session.get_outputs()),
    ):
        assert [(one.name, one.data_type, list(one.dims)) for one in described] == [
            (
                one.name,
                DATA_TYPES[one.type],
                [-1 if isinstance(axis, str) else axis for axis in one.shape[skipped:]],
            )
            for one in actual
        ]
        assert all(one.shape[0] == "batch" for one in actual) == bool(skipped)


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_config_is_what_an_export_would_write(
    name: str, shipped: dict[str, tuple[Exportable, Path]]
) -> None:
    specification = shipped[name][0].specification
    folder = REPOSITORY / name
    assert (folder / "config.pbtxt").read_text() == print_config(specification)
    assert specification.gpu is not None
    gpu_config = (folder / "configs" / "gpu.pbtxt").read_text()
    assert gpu_config == print_gpu_config(specification, specification.gpu)


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
