"""The command that runs a protocol, from video files to a folder of results."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from support.random_networks import random_motion_transfer, random_vrnn
from support.videos import gradient_frames, write_video

from motioncast.models.checkpoint import save_motion_transfer
from motioncast.models.configurations import LITE64
from motioncast.models.predictors.checkpoint import save_predictor
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.paper import protocol_command

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A synthesis network and two VRNNs with random weights, as options of the command."""
    folder = tmp_path_factory.mktemp("checkpoints")
    save_motion_transfer(random_motion_transfer(LITE64), folder / "synthesis.pt")
    predictors = folder / "predictors"
    for seed in (0, 1):
        sizes = PredictorSizes(keypoints=10, hidden=16, latent=3, features=8)
        save_predictor(random_vrnn(sizes, seed), predictors / f"vrnn_{seed}.pt")
    options = ["--synthesis", str(folder / "synthesis.pt"), "--predictors", str(predictors)]
    return [*options, "--samples", "3", "--threads", "1"]


def moving(frames: int, height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    video = gradient_frames(1, height, width).repeat(frames, axis=0)
    for frame in range(frames):
        left = 4 + frame % (width // 2)
        video[frame, 10:24, left : left + 12] = 220
    return video


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_protocol_writes_tables_figures_and_a_page(
    checkpoints: list[str], tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    write_video(videos / "one.mkv", moving(33, 48, 62))
    write_video(videos / "two.mkv", moving(32, 70, 64))
    write_video(videos / "short.mkv", moving(5, 32, 32))
    cache = ["--cache", str(tmp_path / "cache")]

    protocol_command.main(
        ["m2", "--data", str(videos), "--out", str(tmp_path / "out"), *cache, *checkpoints]
    )

    folder = tmp_path / "out" / "m2"
    page = (folder / "README.md").read_text()
    assert "short.mkv (5 frames)" in page
    assert "FVD not reported" in page
    for figure in ("transfer_boxes", "reconstruction_example_1", "latent_kl", "latent_paths"):
        assert (folder / f"{figure}.png").read_bytes().startswith(PNG_SIGNATURE)
        assert f"({figure}.png)" in page
    summary = read_csv(folder / "summary.csv")
    predictors = {line["predictor"] for line in summary if line["mode"] == "reconstruction"}
    simple = {"hold", "damped", "linear"}
    assert predictors == {"vrnn", *simple, "all keypoints", "copied source"}
    assert "fvd" not in {line["measure"] for line in summary}
    results = json.loads((folder / "results.json").read_text())
    assert set(results["checkpoints"]) == {"synthesis.pt", "vrnn_0.pt", "vrnn_1.pt"}
    assert results["clips"] == ["one.mkv[0:32]", "two.mkv[0:32]"]
    assert results["sources"]["transfer"] == ["two.mkv[0:32]", "one.mkv[0:32]"]


def test_one_video_alone_is_judged_without_intervals_and_without_transfer(
    checkpoints: list[str], tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    write_video(videos / "one.mkv", moving(30, 48, 64))
    cache = ["--cache", str(tmp_path / "cache")]
    options = [*cache, *checkpoints, "--i3d", "missing.pt"]

    protocol_command.main(["bair", "--data", str(videos), "--out", str(tmp_path), *options])

    page = (tmp_path / "bair" / "README.md").read_text()
    assert "FVD not reported: missing.pt does not exist" in page
    assert "no intervals or tests" in page
    assert "Transfer is not reported" in page
    summary = read_csv(tmp_path / "bair" / "summary.csv")
    assert {line["low"] for line in summary if line["measure"] == "mse"} == {""}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["m1", "--data", "short"], "all videos are shorter than the 32 frames"),
        (["m1", "--data", "nowhere"], "is not a folder"),
        (["m1", "--data", "short", "--i3d", "short/a.mkv"], "a.mkv"),
        (["m1", "--data", "short", "--predictors", "short"], "contains no predictors"),
        (["m1", "--data", "short", "--synthesis", "short/a.mkv"], "is not a checkpoint"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    checkpoints: list[str],
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short").mkdir()
    write_video(Path("short/a.mkv"), moving(5, 32, 32))

    head, tail = arguments[:1], arguments[1:]
    command = [*head, "--out", "out", "--cache", "cache", *checkpoints, *tail]

    with pytest.raises(SystemExit) as stopped:
        protocol_command.main(command)

    assert stopped.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert sentence in lines[-1]
    assert not Path("out").exists()
