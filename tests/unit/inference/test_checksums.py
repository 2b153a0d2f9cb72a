"""A model that differs from its export is not served."""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
from pathlib import Path

import pytest
from support.toy_models import build_toy_repository

from motioncast.inference import OnnxRuntimeEngine
from motioncast.inference.checksums import FILE_NAME, verify, write_checksums
from motioncast.wire.errors import InvalidInputError, UnavailableError

CORRUPTION = 100  # offset of a byte whose change ONNX Runtime may not notice


def put(root: Path, name: str, content: bytes) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_the_checksums_are_those_of_sha256_as_its_own_program_reads_them(tmp_path: Path) -> None:
    put(tmp_path, "m/1/model.onnx", b"abc")
    put(tmp_path, "m/2/model.onnx", b"")
    sums = write_checksums(tmp_path / "m").read_text()
    # FIPS 180-4's example, and the hash of empty input
    assert sums == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  1/model.onnx\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  2/model.onnx\n"
    )
    if program := shutil.which("sha256sum"):
        command = [program, "--check", "--strict", "--quiet", FILE_NAME]
        subprocess.run(command, cwd=tmp_path / "m", check=True)


def test_a_file_is_verified_where_its_folder_has_checksums(tmp_path: Path) -> None:
    file = put(tmp_path, "m/1/model.onnx", b"abc")
    assert not verify(file)
    write_checksums(tmp_path / "m")
    assert verify(file)


def test_a_file_that_differs_is_refused(tmp_path: Path) -> None:
    file = put(tmp_path, "m/1/model.onnx", b"abc")
    write_checksums(tmp_path / "m")
    file.write_bytes(b"abd")
    with pytest.raises(
        InvalidInputError, match="has changed since its export: its checksum differs"
    ):
        verify(file)


def test_codec_tables_have_a_checksum_like_the_model_beside_them(tmp_path: Path) -> None:
    put(tmp_path, "m/1/model.onnx", b"abc")
    tables = put(tmp_path, "m/codec.json", b"")
    assert write_checksums(tmp_path / "m").read_text().endswith("7852b855  codec.json\n")
    assert verify(tables)
    tables.write_bytes(b"{}")
    with pytest.raises(InvalidInputError, match=r"m/codec\.json has changed since its export"):
        verify(tables)


@pytest.mark.parametrize("sums", [b"", b"nonsense\n", hashlib.sha256(b"abc").digest()])
def test_a_file_that_the_checksums_do_not_name_is_refused(tmp_path: Path, sums: bytes) -> None:
    file = put(tmp_path, "m/1/model.onnx", b"abc")
    put(tmp_path, f"m/{FILE_NAME}", sums)
    with pytest.raises(InvalidInputError, match=FILE_NAME):
        verify(file)


async def test_an_engine_serves_the_others_of_a_corrupt_model(tmp_path: Path) -> None:
    build_toy_repository(tmp_path)
    for name in ("toy_keypoint", "toy_predictor", "toy_synthesis"):
        write_checksums(tmp_path / name)
    file = tmp_path / "toy_predictor" / "1" / "model.onnx"
    content = bytearray(file.read_bytes())
    content[CORRUPTION] ^= 1
    file.write_bytes(content)
    async with OnnxRuntimeEngine(tmp_path) as engine:
        assert engine.models() == ("toy_keypoint", "toy_synthesis")
        assert engine.offered() == ("toy_keypoint", "toy_predictor", "toy_synthesis")
        with pytest.raises(UnavailableError):
            await engine.infer("toy_predictor", {})
        with pytest.raises(InvalidInputError, match="its checksum differs"):
            await engine.load("toy_predictor")


async def test_models_without_checksums_are_served_and_counted_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    build_toy_repository(tmp_path)
    write_checksums(tmp_path / "toy_keypoint")
    async with OnnxRuntimeEngine(tmp_path) as engine:
        assert len(engine.models()) == 3
    lines = [one.getMessage() for one in caplog.records if "verified" in one.getMessage()]
    assert lines == [f"2 models of {tmp_path} have no {FILE_NAME} and are served unverified"]
