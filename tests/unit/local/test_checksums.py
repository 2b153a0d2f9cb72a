"""The program that writes and verifies a repository's checksums."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from motioncast.local.checksums import main


def put(root: Path, name: str, content: bytes) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def test_it_writes_checksums_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "a/1/model.onnx", b"abc")
    put(tmp_path, "b/1/model.onnx", b"def")
    main(tmp_path)
    assert "wrote the SHA256SUMS of 2 models" in capsys.readouterr().out
    main(tmp_path, check=True)
    put(tmp_path, "a/1/model.onnx", b"deg")
    capsys.readouterr()
    with pytest.raises(typer.Exit) as ended:
        main(tmp_path, check=True)
    assert ended.value.exit_code == 1
    said = capsys.readouterr()
    assert said.out == "b: as exported\n"  # the other models are reported too
    assert "a/1/model.onnx has changed since its export" in said.err


def test_tables_of_the_codec_are_compared_too(tmp_path: Path) -> None:
    put(tmp_path, "m/1/model.onnx", b"abc")
    put(tmp_path, "m/codec.json", b"tables")
    main(tmp_path)
    main(tmp_path, check=True)
    put(tmp_path, "m/codec.json", b"others")
    with pytest.raises(typer.Exit):
        main(tmp_path, check=True)


def test_it_says_where_there_is_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "motioncast.local.checksums", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "contains no model" in ran.stderr
