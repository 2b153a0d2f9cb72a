"""`motioncast stream` marks its output, and `motioncast marks` reads the marks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import Run

from motioncast.local.certificates import make_certificates


def test_all_that_a_run_writes_is_signed_with_the_certificate_that_was_given(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_certificates(tmp_path / "certificates")
    monkeypatch.setenv("MOTIONCAST_MARKS_CERTIFICATE", str(files["marks.pem"]))
    out, said = tmp_path / "out", tmp_path / "said.json"
    streamed = run("stream", clip, "--out", out, "--marks-key", files["marks.key"])
    assert streamed.code == 0, streamed.err
    assert f"signed with {files['marks.pem']}" in streamed.out
    kinds = {
        "result.mp4": "trainedAlgorithmicMedia",
        "comparison.mp4": "compositeWithTrainedAlgorithmicMedia",
        "comparison.png": "compositeWithTrainedAlgorithmicMedia",
    }
    for name, kind in kinds.items():
        read = run("marks", out / name, "--trust", files["ca.pem"], "--json", said)
        assert read.code == 0, read.err
        marks = json.loads(said.read_text("utf-8"))
        assert marks["synthetic"]
        assert marks["tag"] == marks["xmp"] == marks["manifest"]["source_type"] == kind
        assert marks["manifest"]["trusted"]
        assert marks["manifest"]["description"].startswith(("AI-generated", "Partly AI-generated"))
    changed = bytearray((out / "result.mp4").read_bytes())
    changed[changed.index(b"mdat") + 100] ^= 1
    (out / "result.mp4").write_bytes(changed)
    read = run("marks", out / "result.mp4")
    assert read.code == 1
    assert "was changed after it was signed" in read.out


def test_what_a_camera_made_says_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("words")
    read = run("marks", tmp_path / "plain.txt")
    assert read.code == 1
    assert "proves nothing" in read.out
    assert run("marks", tmp_path / "missing.mp4").code == 1


def test_a_certificate_without_its_key_or_that_cannot_sign_ends_before_the_start(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    files = make_certificates(tmp_path)
    alone = run("stream", clip, "--out", tmp_path / "out", "--marks-key", files["marks.key"])
    assert (alone.code, alone.err) == (
        1,
        "motioncast: marks: --marks-certificate and --marks-key must be given together\n",
    )
    for servers in (("server.pem", "server.key"), ("marks.pem", "client.key")):
        pair = [files[name] for name in servers]
        options = ("--marks-certificate", pair[0], "--marks-key", pair[1])
        refused = run("stream", clip, "--out", tmp_path / "out", *options)
        assert refused.code == 1
        assert refused.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
