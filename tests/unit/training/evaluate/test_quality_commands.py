"""`evaluate synthesis` and `evaluate keypoints`, from video files and a repository to results."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.toy_models import build_toy_repository, image_with_points
from support.videos import write_video

from motioncast.evaluate import keypoints_command, synthesis


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """Options for a folder of two clips of 12 frames: a red point moves, a green one rests."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, row in (("a.mkv", 9), ("b.mkv", 12)):
        points = [((2 + t, row), (4, 11)) for t in range(12)]
        write_video(folder / name, np.stack([image_with_points(*each) for each in points]))
    return ["--data", str(folder), "--cache", str(tmp_path / "cache"), "--threads", "1"]


def test_patterns_of_several_networks_are_measured_and_written(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = build_toy_repository(tmp_path / "models")
    build_toy_repository(repository, "twin")
    out, pictures = tmp_path / "out", tmp_path / "pictures"

    networks = ["--models", str(repository), "--model", "toy", "--model", "twin"]
    sheets = ["--pictures", str(pictures), "--picture-clips", "1"]
    written = ["--out", str(out), "--json", str(tmp_path / "q.json")]
    synthesis.main([*data, *networks, *sheets, *written])

    page = capsys.readouterr().out
    assert "| twin | 5:5 |" in page
    assert "cost of networks, dB" in page
    results = json.loads((out / "synthesis" / "results.json").read_text())
    rows = [(row["networks"], row["pattern"], row["clips"]) for row in results["summary"]]
    assert rows == [(name, m_n, 2) for name in ("toy", "twin") for m_n in ("1:0", "1:1", "5:5")]
    assert {row["cost_db"] for row in results["summary"]} == {0.0}  # the same models twice
    assert list(results["networks"]["twin"]) == [
        f"twin_{part}/1/model.onnx" for part in ("keypoint", "predictor", "synthesis")
    ]
    assert json.loads((tmp_path / "q.json").read_text())["clips"] == results["clips"]
    with (out / "synthesis" / "per_clip.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["clip"] for line in lines[::3]] == ["a.mkv", "a.mkv", "b.mkv", "b.mkv"]
    assert (out / "synthesis" / "README.md").read_text() == page
    drawn = sorted(file.name for file in pictures.iterdir())
    assert drawn == [
        f"{name}_a_{m_n}.png" for name in ("toy", "twin") for m_n in ("1-0", "1-1", "5-5")
    ]
    with Image.open(pictures / "toy_a_1-0.png") as sheet:
        assert sheet.format == "PNG"


def test_keypoints_are_measured_and_written(
    data: list[str], tmp_path: Path, toy_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keypoints_command.main([*data, "--models", str(toy_repository), "--out", str(tmp_path / "out")])

    results = json.loads((tmp_path / "out" / "keypoints" / "results.json").read_text())
    found = {row["measure"]: row for row in results["summary"]}
    # One of the two points moves in a line by a pixel of 16 per frame.
    step = 2 / 15 * 127 / 2
    assert found["jump"]["largest"] == pytest.approx(step, rel=1e-4)
    assert found["jump"]["mean"] == pytest.approx(step / 2, rel=1e-4)
    assert found["still stretch"]["largest"] == pytest.approx(0.0, abs=1e-3)
    assert "| toy | shift | 2 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--pattern", "0:3"], "'0:3' is not M:N"),
        (["--models", "nowhere"], "nowhere is not a folder"),
        (["--checkpoint", "none.pt"], "none.pt: no such checkpoint"),
        (["--predictor", "vrnn.pt"], "--predictor: can only be used with --checkpoint"),
        (["--model", "lite1"], "'lite1' is not served"),
    ],
)
def test_a_mistake_is_one_sentence(
    data: list[str],
    toy_repository: Path,
    options: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOTIONCAST_MODEL_REPOSITORY", str(toy_repository))
    with pytest.raises(SystemExit) as ended:
        synthesis.main([*data, *options])
    assert ended.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("motioncast evaluate synthesis: ")
    assert sentence in error


def test_clips_too_short_for_a_still_stretch_are_refused(
    tmp_path: Path, toy_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    frames = np.stack([image_with_points((3, 3), (5, 5))] * 9)
    write_video(tmp_path / "videos" / "short.mkv", frames)
    data = ["--data", str(tmp_path / "videos"), "--cache", str(tmp_path / "cache")]
    with pytest.raises(SystemExit):
        keypoints_command.main([*data, "--models", str(toy_repository)])
    assert "all clips are shorter than the 10 frames of a still stretch" in capsys.readouterr().err


def test_results_that_are_there_are_replaced_only_when_told(
    data: list[str], tmp_path: Path, toy_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [*data, "--models", str(toy_repository), "--pattern", "1:0", "--out", str(tmp_path)]
    synthesis.main(run)
    with pytest.raises(SystemExit):
        synthesis.main(run)
    assert "already contains results" in capsys.readouterr().err
    synthesis.main([*run, "--force"])
