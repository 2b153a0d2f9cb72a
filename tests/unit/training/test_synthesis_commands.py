"""The commands that train and evaluate the synthesis networks, from video files to figures."""

import json
import math
from pathlib import Path
from statistics import mean

import pytest
from support.videos import gradient_frames, write_video

from motioncast.evaluate import synthesis as evaluate
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.train import synthesis as train


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mkv", "b.mkv"):
        write_video(folder / name, gradient_frames(4, 32, 32))
    return folder


def test_training_from_files_goes_on_where_it_stopped_and_is_evaluated(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    common = ["--data", str(videos), "--out", str(out), "--cache", str(tmp_path / "cache")]

    train.main([*common, "--steps", "1", "--batch-size", "2"])
    train.main([*common, "--steps", "2", "--batch-size", "2"])

    assert "resuming" in capsys.readouterr().out
    assert load_motion_transfer(out / "model.pt").configuration.name == "lite128"

    figures = tmp_path / "figures.json"
    evaluate.main(
        ["--checkpoint", str(out / "model.pt"), "--data", str(videos), "--json", str(figures)]
    )

    report = json.loads(figures.read_text())
    assert report["mean"]["clips"] == 2
    assert [clip["name"] for clip in report["clips"]] == ["a.mkv", "b.mkv"]
    # Frame t of a clip is 4 t / 255 brighter than its first.
    copied = mean(-20 * math.log10(4 * t / 255) for t in (1, 2, 3))
    assert report["mean"]["copy_psnr_db"] == pytest.approx(copied, abs=0.05)
    assert f"{report['mean']['psnr_db']:.2f}" in capsys.readouterr().out


def test_a_training_without_a_length_is_refused(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        train.main(["--data", str(videos), "--out", str(tmp_path)])
