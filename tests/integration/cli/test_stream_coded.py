"""`motioncast stream --send keypoints` codes keypoints if possible and counts them accordingly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.codec_tables import add_tables, plain_tables
from support.command_line import FRAMES, Run
from support.toy_models import build_toy_repository

SECONDS = FRAMES / 25


@pytest.fixture(scope="module")
def coding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy models with codec tables."""
    repository = build_toy_repository(tmp_path_factory.mktemp("coding"))
    add_tables(repository, plain_tables(2))
    return repository


def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_keypoints_travel_coded_where_the_model_has_tables(
    run: Run, clip: Path, coding: Path, tmp_path: Path
) -> None:
    sent = ["stream", clip, "--send", "keypoints", "--models", coding]
    result = run(*sent, "--out", tmp_path / "coded")
    assert result.code == 0, result.err
    assert run(*sent, "--keypoints", "floats", "--out", tmp_path / "floats").code == 0
    coded, floats = report(tmp_path / "coded"), report(tmp_path / "floats")
    assert coded["configuration"]["keypoint_encoding"] == "coded"
    assert floats["configuration"]["keypoint_encoding"] == "floats"
    assert floats["bytes"]["keypoint_payload"] == FRAMES * 2 * 12
    assert FRAMES * 4 <= coded["bytes"]["keypoint_payload"] < FRAMES * 2 * 12
    assert coded["quality"]["all"]["psnr_db"] == pytest.approx(
        floats["quality"]["all"]["psnr_db"], abs=1.0
    )


def test_what_keypoints_take_is_said_thrice(
    run: Run, clip: Path, coding: Path, tmp_path: Path
) -> None:
    result = run("stream", clip, "--send", "keypoints", "--models", coding, "--out", tmp_path)
    assert result.code == 0, result.err
    of_report = report(tmp_path)
    counts, rates = of_report["bytes"], of_report["keypoint_rates"]
    assert counts["keypoint_messages"] == FRAMES
    assert rates["payload"] == pytest.approx(8 * counts["keypoint_payload"] / SECONDS)
    assert rates["messages"] == pytest.approx(8 * counts["keypoints"] / SECONDS)
    assert rates["wire"] == pytest.approx(8 * (counts["keypoints"] + 66 * FRAMES) / SECONDS)
    for text in (result.out, (tmp_path / "report.html").read_text(encoding="utf-8")):
        assert "for the packets alone" in text


def test_frames_may_share_a_packet(run: Run, clip: Path, coding: Path, tmp_path: Path) -> None:
    options = ["--send", "keypoints", "--models", coding, "--packet-frames", "4", "--quiet"]
    assert run("stream", clip, *options, "--out", tmp_path).code == 0
    assert report(tmp_path)["bytes"]["keypoint_messages"] == -(-FRAMES // 4)


def test_packets_may_travel_as_datagrams(
    run: Run, clip: Path, coding: Path, tmp_path: Path
) -> None:
    options = ["--send", "keypoints", "--models", coding, "--datagrams", "--real-time", "--quiet"]
    result = run("stream", clip, *options, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    of_report = report(tmp_path / "out")
    assert of_report["frames"]["total"] == FRAMES
    rates = of_report["keypoint_rates"]
    assert rates["payload"] < rates["messages"] < rates["wire"]
    floats = ["--send", "keypoints", "--keypoints", "floats", "--models", coding, "--datagrams"]
    result = run("stream", clip, *floats, "--out", tmp_path / "floats")
    assert result.code != 0
    assert "datagrams: requires --keypoints coded" in result.err


def test_a_gate_leaves_out_what_is_forecast_well(
    run: Run, clip: Path, coding: Path, tmp_path: Path
) -> None:
    options = ["--send", "keypoints", "--models", coding, "--gate", "256", "--quiet"]
    assert run("stream", clip, *options, "--out", tmp_path).code == 0
    of_report = report(tmp_path)
    assert of_report["bytes"]["keypoint_messages"] == 1  # no forecast is 256 pixels off
    assert of_report["frames"]["predicted"] == FRAMES - 1


def test_frames_have_no_rates_of_keypoints(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("stream", clip, "--out", tmp_path, "--quiet").code == 0
    assert report(tmp_path)["keypoint_rates"] is None
    assert report(tmp_path)["configuration"]["keypoint_encoding"] is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--keypoints", "coded"], "keypoints: requires --send keypoints"),
        (["--send", "keypoints", "--keypoints", "coded"], "toy has no codec tables"),
        (["--gate", "1"], "gate: requires --send keypoints"),
        (["--packet-frames", "2"], "packet-frames: requires --send keypoints"),
        (
            ["--send", "keypoints", "--keypoints", "floats", "--packet-frames", "2"],
            "packet-frames: requires --keypoints coded",
        ),
        (["--send", "keypoints", "--gate", "0"], "gate: 0 pixels, expected more than 0"),
    ],
)
def test_what_cannot_be_coded_is_told(
    run: Run, clip: Path, tmp_path: Path, options: list[str], sentence: str
) -> None:
    result = run("stream", clip, "--out", tmp_path, *options)
    assert result.code == 1
    assert sentence in result.err
