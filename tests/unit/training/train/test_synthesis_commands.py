"""The commands that train and evaluate synthesis networks, from video files to figures."""

import json
import math
from pathlib import Path
from statistics import mean

import pytest
import torch
from support.videos import gradient_frames, write_video

from motioncast.data.clip_cache import open_cache, split_validation
from motioncast.evaluate import synthesis as evaluate
from motioncast.models.checkpoint import load_motion_transfer, save_motion_transfer
from motioncast.models.configurations import LITE64, LITE128
from motioncast.models.motion_transfer import MotionTransfer
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
    data = ["--data", str(videos), "--cache", str(tmp_path / "cache")]
    evaluate.main(["--checkpoint", str(out / "model.pt"), *data, "--json", str(figures)])

    report = json.loads(figures.read_text())
    (mean_of_clips,) = report["summary"]  # without a predictor nothing is forecast
    assert (mean_of_clips["networks"], mean_of_clips["pattern"]) == ("model", "1:0")
    assert [clip["clip"] for clip in report["clips"]] == ["a.mkv", "b.mkv"]
    # Frame t of a clip is 4 t / 255 brighter than its first.
    copied = mean(-20 * math.log10(4 * t / 255) for t in (1, 2, 3))
    assert mean_of_clips["copy_psnr_db"] == pytest.approx(copied, abs=0.05)
    assert f"{mean_of_clips['psnr_db']:.2f}" in capsys.readouterr().out


def test_a_training_starts_from_a_checkpoint_and_draws_from_further_folders(
    videos: Path, tmp_path: Path
) -> None:
    torch.manual_seed(7)
    start = MotionTransfer(LITE128).eval()
    save_motion_transfer(start, tmp_path / "start.pt")
    common = ["--data", str(videos), "--also", str(videos), ".25", "--cache", str(tmp_path / "c")]
    common += ["--from", str(tmp_path / "start.pt"), "--freeze-detector", "0"]
    common += ["--rooms", str(videos)]

    train.main([*common, "--out", str(tmp_path / "run"), "--steps", "1", "--batch-size", "2"])

    trained = load_motion_transfer(tmp_path / "run" / "model.pt").detector.state_dict()
    given = load_motion_transfer(tmp_path / "start.pt").detector.state_dict()
    assert trained.keys() == given.keys()
    assert all(torch.equal(trained[name], given[name]) for name in given)


@pytest.mark.parametrize(
    ("further", "sentence"),
    [
        (
            ["--also", "x", "0.6", "--also", "y", "0.5"],
            "the sum of the shares leaves nothing for --data",
        ),
        (["--also", "x", "1.5"], "the share is 1.5"),
        (["--also", "x", "some"], "the share is some"),
        (["--from", "absent.pt"], "absent.pt: no such checkpoint"),
        (["--also", "absent", "0.5"], "absent is not a folder"),
        (["--rooms", "absent"], "absent is not a folder"),
        (
            ["--freeze-statistics", "0"],
            "freezes the statistics of batch normalisation from the start",
        ),
    ],
)
def test_wrong_shares_and_starts_are_refused(
    further: list[str],
    sentence: str,
    videos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        train.main(["--data", str(videos), "--out", str(tmp_path), "--steps", "1", *further])
    assert sentence in capsys.readouterr().err


def test_a_start_of_another_configuration_is_refused(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_motion_transfer(MotionTransfer(LITE64), tmp_path / "start.pt")
    arguments = ["--data", str(videos), "--out", str(tmp_path), "--steps", "1"]
    with pytest.raises(SystemExit):
        train.main([*arguments, "--from", str(tmp_path / "start.pt")])
    assert "contains lite64 (expected lite128)" in capsys.readouterr().err


def test_a_training_without_a_length_is_refused(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        train.main(["--config", "lite64", "--data", str(videos), "--out", str(tmp_path)])
    assert "one of them is needed" in capsys.readouterr().err


def test_a_file_configures_a_training_in_epochs(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'network = "lite64"\n[synthesis]\nepochs = 1\nbatch_size = 1\naugmentation = "nemo"\n'
    )
    out = tmp_path / "run"
    clips, _ = split_validation(open_cache(videos, 64, tmp_path / "cache"))

    run = ["--data", str(videos), "--out", str(out), "--cache", str(tmp_path / "cache")]
    train.main(["--config", str(tmp_path / "mine.toml"), *run])

    # An epoch has one sample of every clip.
    assert torch.load(out / "training.pt", weights_only=True)["step"] == len(clips)


def test_an_unknown_key_of_a_configuration_ends_the_command(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('network = "lite64"\n[synthesis]\nlearning_rat = 1e-3\n')
    with pytest.raises(SystemExit):
        train.main(["--config", str(file), "--data", str(videos), "--out", str(tmp_path)])
    assert "mine.toml: synthesis.learning_rat is unknown" in capsys.readouterr().err
