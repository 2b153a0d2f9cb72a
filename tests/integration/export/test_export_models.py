"""Checkpoints are exported to a repository that ONNX Runtime runs and Triton can read."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from support.random_networks import random_motion_transfer, random_vrnn
from tritonclient.grpc import model_config_pb2 as triton

from motioncast.codec.errors import TablesError
from motioncast.export.__main__ import main
from motioncast.export.exportables import motion_transfer_exportables, predictor_exportable
from motioncast.export.exporter import ExportedModel, ExportError, build, export_models
from motioncast.export.graph import check
from motioncast.export.parity import Case
from motioncast.framing import FINDER
from motioncast.inference.checksums import verify
from motioncast.inference.repository import find_models
from motioncast.models.checkpoint import save_motion_transfer
from motioncast.models.configurations import LITE128, PAPER64
from motioncast.models.predictors.checkpoint import save_predictor
from motioncast.models.predictors.recurrent import PREDICTOR_SIZES

SHIPPED = Path(__file__).parents[3] / "model_repository"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    synthesis, predictor = folder / "synthesis.pt", folder / "predictor.pt"
    save_motion_transfer(random_motion_transfer(LITE128), synthesis)
    save_predictor(random_vrnn(PREDICTOR_SIZES["lite128"]), predictor)
    return synthesis, predictor


@pytest.fixture(scope="module")
def exported(
    checkpoints: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[ExportedModel, ...]:
    synthesis, predictor = checkpoints
    repository = tmp_path_factory.mktemp("exported") / "models"
    return export_models("lite128", repository, synthesis=synthesis, predictor=predictor)


def test_framed_models_are_exported_with_a_face_finder(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    framed, unframed = tmp_path / "framed", tmp_path / "unframed"
    options = ["--config", "lite128", "--predictor", str(checkpoints[1])]
    main([*options, "--repository", str(framed), "--framing", "fixed"])
    main([*options, "--repository", str(unframed)])
    assert list(find_models(framed)) == [FINDER, "lite128_predictor"]
    assert list(find_models(unframed)) == ["lite128_predictor"]


def test_the_models_can_be_given_another_name(
    checkpoints: tuple[Path, Path], exported: tuple[ExportedModel, ...], tmp_path: Path
) -> None:
    synthesis, predictor = checkpoints
    options = ["--synthesis", str(synthesis), "--predictor", str(predictor), "--name", "ada"]
    main(["--config", "lite128", "--repository", str(tmp_path), *options])
    for original in exported:
        name = original.name.replace("lite128", "ada")
        config = triton.ModelConfig()
        text_format.Parse((tmp_path / name / "config.pbtxt").read_text(), config)
        assert config.name == name
        named = onnx.load(tmp_path / name / "1" / "model.onnx")
        assert named.graph.initializer == onnx.load(original.path).graph.initializer
        facts = {entry.key: entry.value for entry in named.metadata_props}
        assert (facts["name"], facts["config"]) == (name, "lite128")


def session(model: ExportedModel) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.path, providers=["CPUExecutionProvider"])


def test_a_configuration_becomes_three_models_and_what_joins_them(
    exported: tuple[ExportedModel, ...],
) -> None:
    names = ["lite128_keypoint", "lite128_synthesis", "lite128_predictor"]
    assert [model.name for model in exported] == names
    glue_models = ["lite128_arrange", "lite128_path", "lite128_sequence"]
    ensembles = ["lite128_forecast", "lite128_motion_transfer", "lite128_reconstruct"]
    repository = exported[0].path.parents[2]
    written = sorted(path.name for path in repository.iterdir())
    assert written == sorted([*names, *glue_models, *ensembles])


def test_the_models_are_small_and_standard(exported: tuple[ExportedModel, ...]) -> None:
    for model in exported:
        assert model.size_bytes == model.path.stat().st_size < 8 * 2**20
        check(onnx.load(model.path))


def test_no_batch_norm_is_left_after_a_convolution(exported: tuple[ExportedModel, ...]) -> None:
    for model in exported:
        graph = onnx.load(model.path).graph
        made_by = {output: node.op_type for node in graph.node for output in node.output}
        normalised = [node.input[0] for node in graph.node if node.op_type == "BatchNormalization"]
        assert {made_by[value] for value in normalised}.isdisjoint({"Conv", "DepthToSpace"})


def test_a_model_says_what_it_was_made_from(
    checkpoints: tuple[Path, Path], exported: tuple[ExportedModel, ...]
) -> None:
    facts = session(exported[2]).get_modelmeta().custom_metadata_map
    assert facts["name"] == "lite128_predictor"
    assert facts["config"] == "lite128"
    assert facts["licence"] == "Apache-2.0"
    assert facts["checkpoint_sha256"] == hashlib.sha256(checkpoints[1].read_bytes()).hexdigest()


def test_tritons_configuration_matches_the_onnx_file(
    exported: tuple[ExportedModel, ...],
) -> None:
    for model in exported:
        config = text_format.Parse(
            (model.path.parents[1] / "config.pbtxt").read_text(), triton.ModelConfig()
        )
        assert config.name == model.name
        inputs = {one.name: list(one.dims) for one in config.input}
        assert inputs == {
            one.name: [-1 if isinstance(axis, str) else axis for axis in one.shape[1:]]
            for one in session(model).get_inputs()
        }


def test_a_longer_timeline_than_any_checked_runs_too(
    exported: tuple[ExportedModel, ...],
) -> None:
    predictor = session(exported[2])
    state = predictor.get_inputs()[3].shape[1]
    forecast, half_width90, next_state = predictor.run(
        None,
        {
            "keypoints": np.zeros((5, 33, LITE128.keypoints, 3), np.float32),
            "observed": np.ones((5, 33), np.float32),
            "noise": np.zeros((5, 33, 16 + 3 * LITE128.keypoints), np.float32),
            "state": np.zeros((5, state), np.float32),
        },
    )
    assert forecast.shape == half_width90.shape == (5, 33, LITE128.keypoints, 3)
    assert not half_width90[:, 0].any()  # the first frame of a timeline has no forecast
    assert (half_width90[:, 1:] > 0).all()
    assert next_state.shape == (5, state)


def test_a_frame_does_not_depend_on_the_others_in_its_call(
    exported: tuple[ExportedModel, ...],
) -> None:
    synthesis = session(exported[1])
    generator = np.random.default_rng(0)
    source = generator.integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
    keypoints = generator.uniform(-0.9, 0.9, (1, LITE128.keypoints, 3)).astype(np.float32)
    driving = generator.uniform(-0.9, 0.9, (1, 4, LITE128.keypoints, 3)).astype(np.float32)
    names = ("source_image", "source_keypoints", "driving_keypoints")
    (together,) = synthesis.run(None, dict(zip(names, (source, keypoints, driving), strict=True)))
    (alone,) = synthesis.run(
        None, dict(zip(names, (source, keypoints, driving[:, 2:3]), strict=True))
    )
    difference = np.abs(together[:, 2:3].astype(int) - alone.astype(int))
    assert difference.max() <= 1  # a value half way between two levels may be rounded either way
    assert (difference > 0).mean() < 0.001


def test_the_papers_networks_export_as_well() -> None:
    cases = (Case(1, 1, 0), Case(2, 3, 1))
    networks = random_motion_transfer(PAPER64)
    predictor = predictor_exportable("paper64", random_vrnn(PREDICTOR_SIZES["paper64"]))
    for exportable in (*motion_transfer_exportables(networks), predictor):
        model, agreement = build(exportable, {"config": "paper64"}, cases)
        assert model.graph.name == exportable.specification.name
        assert list(agreement) == [tensor.name for tensor in exportable.specification.outputs]


def test_a_checkpoint_of_another_configuration_is_refused(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    synthesis, predictor = checkpoints
    with pytest.raises(ExportError, match="is of 'lite128', not 'paper64'"):
        export_models("paper64", tmp_path / "models", synthesis=synthesis)
    with pytest.raises(ExportError, match="forecasts 16 keypoints"):
        export_models("paper64", tmp_path / "models", predictor=predictor)
    assert not (tmp_path / "models").exists()


def test_what_does_not_fit_the_models_that_are_there_is_refused(
    checkpoints: tuple[Path, Path], exported: tuple[ExportedModel, ...], tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    shutil.copytree(exported[0].path.parents[2], repository)
    config = repository / "lite128_keypoint" / "config.pbtxt"
    config.write_text(config.read_text().replace("dims: 16\n", "dims: 12\n"))
    before = (repository / "lite128_predictor" / "config.pbtxt").stat().st_ino
    with pytest.raises(ExportError, match=r"axes .*export all models of lite128"):
        export_models("lite128", repository, predictor=checkpoints[1])
    assert (repository / "lite128_predictor" / "config.pbtxt").stat().st_ino == before


def test_codec_tables_are_written_next_to_the_detector(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    tables = SHIPPED / "lite128_keypoint" / "codec.json"
    options = ["--config", "lite128", "--synthesis", str(checkpoints[0]), "--name", "ada"]
    main([*options, "--codec", str(tables), "--repository", str(tmp_path)])
    written = tmp_path / "ada_keypoint" / "codec.json"
    assert written.read_bytes() == tables.read_bytes()
    assert verify(written)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("face256", r"is for 80 keypoints \(expected 16, as in 'lite128'\)"),
        (None, "codec tables: not valid JSON"),
    ],
)
def test_codec_tables_of_another_detector_are_refused(
    checkpoints: tuple[Path, Path], tmp_path: Path, model: str | None, said: str
) -> None:
    tables = tmp_path / "codec.json"
    if model is None:
        tables.write_text("no tables")
    else:
        shutil.copy(SHIPPED / f"{model}_keypoint" / "codec.json", tables)
    with pytest.raises((ExportError, TablesError), match=said):
        export_models("lite128", tmp_path / "models", synthesis=checkpoints[0], codec=tables)
    assert not (tmp_path / "models").exists()


def test_codec_tables_without_a_detector_are_refused(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    tables = SHIPPED / "lite128_keypoint" / "codec.json"
    with pytest.raises(ExportError, match="tables belong to a detector"):
        export_models("lite128", tmp_path / "models", predictor=checkpoints[1], codec=tables)


def test_the_command_line_writes_models_and_a_report(
    checkpoints: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", "lite128", "--predictor", str(checkpoints[1])]
    arguments += ["--repository", str(tmp_path / "models"), "--json", str(tmp_path / "report.json")]
    main(arguments)
    (model,) = json.loads((tmp_path / "report.json").read_text())["models"]
    assert model["name"] == "lite128_predictor"
    assert model["operators"]["Scan"] == 1
    assert Path(model["path"]).is_file()
    size = Path(model["path"]).stat().st_size / 2**20
    said = f"lite128_predictor/1/model.onnx: {size:.1f} MiB, opset 20"
    assert said in capsys.readouterr().out


def test_the_command_line_says_in_a_sentence_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(b"not a checkpoint")
    common = ["--config", "lite128", "--repository", str(tmp_path / "models")]
    with pytest.raises(SystemExit, match="1"):
        main(common)
    assert "no checkpoint given" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main([*common, "--synthesis", str(tmp_path / "absent.pt")])
    assert "absent.pt: no such checkpoint" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main([*common, "--predictor", str(damaged)])
    assert "damaged.pt: not a checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_nothing_is_written_when_a_model_does_not_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictor = random_vrnn(PREDICTOR_SIZES["lite128"])
    predictor.mean.fill_(float("nan"))  # the initial forecast becomes NaN, which never agrees
    save_predictor(predictor, tmp_path / "broken.pt")
    arguments = ["--config", "lite128", "--predictor", str(tmp_path / "broken.pt")]
    with pytest.raises(SystemExit, match="1"):
        main([*arguments, "--repository", str(tmp_path / "models")])
    message = capsys.readouterr().err
    assert "forecast (batch 1, time 1, seed 0): differs by up to nan" in message
    assert "next_state (batch 3, time 2, seed 4): differs by up to nan" in message
    assert not (tmp_path / "models").exists()
