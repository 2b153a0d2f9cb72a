"""What the supervisor learns from repository and configs before asking the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.inference import default_repository
from motioncast.inference.checksums import write_checksums
from motioncast.triton.control import smallest_request
from motioncast.triton.repository import read_offer
from motioncast.wire.errors import InvalidInputError


def _write(root: Path, name: str, config: str | bytes | None) -> None:
    (root / name / "1").mkdir(parents=True)
    if config is None:
        (root / name / "1" / "model.onnx").touch()
    elif isinstance(config, bytes):
        (root / name / "config.pbtxt").write_bytes(config)
    else:
        (root / name / "config.pbtxt").write_text(config)


def test_models_are_told_from_ensembles_and_from_what_cannot_be_read(tmp_path: Path) -> None:
    _write(tmp_path, "b_model", 'backend: "onnxruntime"')
    _write(tmp_path, "a_model", 'backend: "onnxruntime"')
    _write(tmp_path, "a_chain", 'platform: "ensemble" ensemble_scheduling { }')
    _write(tmp_path, "bare", None)
    _write(tmp_path, "odd", "backend = 3")
    _write(tmp_path, "bytes", b"\xff\xfe")
    (tmp_path / "notes").mkdir()
    (tmp_path / "README").touch()
    offer = read_offer(tmp_path)
    assert offer.models == ("a_model", "b_model")
    assert offer.ensembles == ("a_chain",)
    assert offer.broken.keys() == {"bare", "odd", "bytes"}
    assert offer.broken["bare"].startswith("it has no config.pbtxt")
    assert offer.broken["odd"].startswith("its config.pbtxt cannot be read: 1:9")


def test_every_shipped_model_is_offered() -> None:
    root = default_repository()
    offer = read_offer(root)
    assert offer.broken == {}
    assert set(offer.names) == {file.parent.name for file in root.glob("*/config.pbtxt")}


@pytest.mark.parametrize("missing", [True, False])
def test_a_repository_without_models_is_refused(tmp_path: Path, missing: bool) -> None:
    folder = tmp_path / "nowhere" if missing else tmp_path
    with pytest.raises(
        InvalidInputError, match=r"^repository: .* (is not a folder|contains no model)$"
    ):
        read_offer(folder)


def test_the_smallest_request_has_every_input_with_open_lengths_at_one() -> None:
    config = text_format.Parse(
        """
        name: "m" max_batch_size: 4
        input { name: "image" data_type: TYPE_UINT8 dims: [2, 3] }
        input { name: "path" data_type: TYPE_FP32 dims: [-1, 5] }
        """,
        ModelConfig(),
    )
    request = smallest_request(config)
    assert request.model_name == "m"
    assert [(it.name, it.datatype, list(it.shape)) for it in request.inputs] == [
        ("image", "UINT8", [1, 2, 3]),
        ("path", "FP32", [1, 1, 5]),
    ]
    assert [len(content) for content in request.raw_input_contents] == [6, 20]


def test_the_smallest_request_of_a_model_without_batches_has_its_dims_alone() -> None:
    config = text_format.Parse(
        'input { name: "x" data_type: TYPE_INT64 dims: [-1] }', ModelConfig()
    )
    [tensor] = smallest_request(config).inputs
    assert list(tensor.shape) == [1]


def test_a_model_that_is_not_what_was_exported_is_not_offered(tmp_path: Path) -> None:
    for name in ("whole", "torn", "unverified"):
        _write(tmp_path, name, 'backend: "onnxruntime"')
        (tmp_path / name / "1" / "model.onnx").write_bytes(b"weights")
    for name in ("whole", "torn"):
        write_checksums(tmp_path / name)
    (tmp_path / "torn" / "1" / "model.onnx").write_bytes(b"Weights")
    offer = read_offer(tmp_path)
    assert offer.models == ("unverified", "whole")
    assert "its checksum differs" in offer.broken["torn"]
