"""`motioncast stream --delay` and `--returned`: the gain from waiting is measured and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.command_line import FRAMES, Run


def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("send", ["frames", "keypoints"])
def test_both_figures_stand_in_the_report(
    run: Run, clip: Path, toy_repository: Path, tmp_path: Path, send: str
) -> None:
    every_second = ["stream", clip, "--models", toy_repository, "--predicted", "1", "--send", send]
    waited = run(*every_second, "--delay", "1", "--out", tmp_path / "waited")
    assert waited.code == 0, waited.err
    at_once = run(*every_second, "--out", tmp_path / "at_once")
    assert at_once.code == 0, at_once.err
    of_waited, of_at_once = report(tmp_path / "waited"), report(tmp_path / "at_once")
    assert of_at_once["delay"] is None
    between = [frame["index"] for frame in of_waited["timeline"] if frame["interpolated"]]
    assert between == list(range(1, FRAMES - 1, 2))
    delay, timeline = of_waited["delay"], of_at_once["timeline"]
    assert delay["frames"] == len(between)
    forecast = [timeline[index]["result"]["psnr_db"] for index in between]
    assert delay["forecast_psnr_db"] == pytest.approx(sum(forecast) / len(forecast))
    assert of_waited["configuration"]["delay_frames"] == 1
    for text in (waited.out, (tmp_path / "waited" / "report.html").read_text(encoding="utf-8")):
        assert "forecast instead, they reach" in text.replace("\n", " ")


def test_frames_return_as_h264(run: Run, clip: Path, toy_repository: Path, tmp_path: Path) -> None:
    sent = ["stream", clip, "--models", toy_repository]
    result = run(*sent, "--returned", "h264", "--crf", "18", "--out", tmp_path)
    assert result.code == 0, result.err
    of_h264 = report(tmp_path)
    assert of_h264["configuration"]["returned_as"] == "h264"
    assert of_h264["frames"]["total"] == FRAMES
    assert "H.264" in result.out
    refused = run(*sent, "--crf", "18", "--out", tmp_path / "refused")
    assert refused.code != 0
    assert "only for output 'h264'" in refused.err
