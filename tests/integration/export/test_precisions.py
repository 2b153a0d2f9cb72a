"""A checkpoint exported in float16 and INT8 is smaller, standard ONNX, and close to float32."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from support.random_networks import random_motion_transfer
from support.videos import gradient_frames, write_video

from motioncast.export.__main__ import main
from motioncast.export.exporter import ExportedModel, ExportError, export_models
from motioncast.export.graph import check
from motioncast.export.precision import TOLERANCES
from motioncast.models.checkpoint import save_motion_transfer
from motioncast.models.configurations import LITE64

WEIGHTS = {"float16": onnx.TensorProto.FLOAT16, "int8": onnx.TensorProto.INT8}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "synthesis.pt"
    save_motion_transfer(random_motion_transfer(LITE64), path)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name in ("a.mkv", "b.mkv", "c.mkv"):
        write_video(folder / name, gradient_frames(8, 64, 64))
    return folder


@pytest.fixture(scope="module", params=["float16", "int8"])
def exported(
    request: pytest.FixtureRequest,
    checkpoint: Path,
    clips: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, tuple[ExportedModel, ...]]:
    precision = request.param
    repository = tmp_path_factory.mktemp(precision)
    calibration = clips if precision == "int8" else None
    return precision, export_models(
        "lite64",
        repository,
        synthesis=checkpoint,
        precision=precision,
        calibration=calibration,
    )


def test_most_weights_are_in_the_precision_that_was_asked_for(
    exported: tuple[str, tuple[ExportedModel, ...]],
) -> None:
    precision, models = exported
    for model in models:
        loaded = onnx.load(model.path)
        check(loaded)
        facts = {entry.key: entry.value for entry in loaded.metadata_props}
        assert facts["precision"] == precision
        sizes = {True: 0, False: 0}
        for tensor in loaded.graph.initializer:
            sizes[tensor.data_type == WEIGHTS[precision]] += int(np.prod(tensor.dims))
        assert sizes[True] > 4 * sizes[False]


def test_it_agrees_with_the_network_within_the_stated_tolerance(
    exported: tuple[str, tuple[ExportedModel, ...]],
) -> None:
    precision, models = exported
    for model in models:
        for output, agreement in model.agreement.items():
            assert 0 < agreement.largest <= TOLERANCES[precision][output].largest  # type: ignore[index]


def test_bytes_and_float32_keypoints_go_in_and_out_as_ever(
    exported: tuple[str, tuple[ExportedModel, ...]],
) -> None:
    _, models = exported
    for model in models:
        session = onnxruntime.InferenceSession(model.path, providers=["CPUExecutionProvider"])
        types = {one.type for one in (*session.get_inputs(), *session.get_outputs())}
        assert types == {"tensor(uint8)", "tensor(float)"}


def test_int8_without_clips_is_refused_and_so_are_clips_without_int8(
    checkpoint: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        ExportError, match="calibration: a folder of training clips is needed for int8"
    ):
        export_models("lite64", tmp_path / "m", synthesis=checkpoint, precision="int8")
    arguments = ["--config", "lite64", "--synthesis", str(checkpoint)]
    arguments += ["--repository", str(tmp_path / "m"), "--calibration", str(clips)]
    with pytest.raises(SystemExit, match="1"):
        main(arguments)
    assert "can be used only for int8" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main([*arguments[:-1], str(tmp_path / "absent"), "--precision", "int8"])
    assert "absent" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
