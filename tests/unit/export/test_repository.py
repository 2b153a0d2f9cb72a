"""A model appears in the repository completely or not at all."""

import hashlib
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, TensorProto, helper
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.export.repository import (
    read_config,
    write_beside,
    write_ensemble,
    write_model,
)
from motioncast.export.specification import (
    BATCH,
    GpuServing,
    ModelSpecification,
    TensorSpecification,
    Tolerance,
)
from motioncast.inference.checksums import verify

SPECIFICATION = ModelSpecification(
    name="same",
    description="y is x",
    inputs=(TensorSpecification("x", "float32", (BATCH, 4)),),
    outputs=(TensorSpecification("y", "float32", (BATCH, 4)),),
    tolerances={"y": Tolerance(0)},
    max_batch_size=1,
    dynamic_batching=False,
)


def model(graph_name: str) -> ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        graph_name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [BATCH, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [BATCH, 4])],
    )
    return helper.make_model(graph)


def files(repository: Path) -> list[str]:
    return sorted(str(path.relative_to(repository)) for path in repository.rglob("*"))


def test_a_model_is_where_triton_looks_for_it(tmp_path: Path) -> None:
    path = write_model(tmp_path / "models", SPECIFICATION, model("first"))
    assert path == tmp_path / "models/same/1/model.onnx"
    assert files(tmp_path / "models") == [
        "same",
        "same/1",
        "same/1/model.onnx",
        "same/SHA256SUMS",
        "same/config.pbtxt",
    ]
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    sums = tmp_path / "models/same/SHA256SUMS"
    assert sums.read_text() == f"{checksum}  1/model.onnx\n"


def test_codec_tables_stay_when_the_model_is_exported_anew(tmp_path: Path) -> None:
    write_model(tmp_path, SPECIFICATION, model("first"))
    write_beside(tmp_path, "same", "codec.json", "{}")
    path = write_model(tmp_path, SPECIFICATION, model("second"))
    tables = tmp_path / "same/codec.json"
    assert onnx.load(path).graph.name == "second"
    assert tables.read_text() == "{}"
    assert verify(path)
    assert verify(tables)


def test_a_gpus_configuration_lies_beside_the_cpus(tmp_path: Path) -> None:
    write_model(tmp_path, replace(SPECIFICATION, gpu=GpuServing(instances=1)), model("first"))
    assert "same/configs/gpu.pbtxt" in files(tmp_path)


def test_an_ensemble_has_a_version_that_holds_no_model(tmp_path: Path) -> None:
    config = ModelConfig(name="both", platform="ensemble")
    assert write_ensemble(tmp_path, "one after the other", config) == tmp_path / "both/config.pbtxt"
    assert files(tmp_path) == ["both", "both/1", "both/1/no_model.txt", "both/config.pbtxt"]
    assert read_config(tmp_path, "both") == config


def test_a_configuration_that_is_none_is_named(tmp_path: Path) -> None:
    assert read_config(tmp_path, "same") is None
    (tmp_path / "same").mkdir()
    (tmp_path / "same/config.pbtxt").write_text("name: 3")
    with pytest.raises(ValueError, match=r"same/config\.pbtxt: 1:7"):
        read_config(tmp_path, "same")


def test_a_newer_model_takes_the_place_of_the_older(tmp_path: Path) -> None:
    write_model(tmp_path, SPECIFICATION, model("first"))
    (tmp_path / "same/2").mkdir()
    path = write_model(tmp_path, SPECIFICATION, model("second"))
    assert onnx.load(path).graph.name == "second"
    assert not (tmp_path / "same/2").exists()


def test_a_model_that_cannot_be_written_leaves_the_older_as_it_was(tmp_path: Path) -> None:
    write_model(tmp_path, SPECIFICATION, model("first"))
    before = files(tmp_path)
    without_triton_type = TensorSpecification("x", "float16", (BATCH, 4))  # type: ignore[arg-type]
    broken = replace(SPECIFICATION, inputs=(without_triton_type,))
    with pytest.raises(KeyError):
        write_model(tmp_path, broken, model("second"))
    assert files(tmp_path) == before
    assert onnx.load(tmp_path / "same/1/model.onnx").graph.name == "first"
