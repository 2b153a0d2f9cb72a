"""`motioncast stream` with several sources: named images, or frames of the video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.command_line import Run
from support.toy_models import image_with_points
from support.toy_sources import build_telling_repository, source_image

from motioncast.client.video import write_video

HERE, THERE = ((2, 2), (6, 2)), ((9, 12), (13, 12))


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Run:
    monkeypatch.setenv("MOTIONCAST_MODEL_REPOSITORY", str(repository))
    return run


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_telling_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with fifteen frames in one position, then fifteen in another."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with write_video(path, 25, lossless=True) as written:
        for t in range(30):
            written.write(image_with_points(*(HERE if t < 15 else THERE)))
    return path


def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_named_images_are_chosen_from(run: Run, video: Path, tmp_path: Path) -> None:
    for name, place in (("here.png", HERE), ("there.png", THERE)):
        Image.fromarray(source_image(50, *place)).save(tmp_path / name)
    named = ["--source", tmp_path / "here.png", "--source", tmp_path / "there.png"]
    result = run("stream", video, *named, "--predicted", 0, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "frames by source  15, 15" in result.out
    found = report(tmp_path / "out")
    assert found["configuration"]["source"] == "here.png, there.png"
    assert found["configuration"]["mode"] == "transfer"
    assert found["source_frames"] == [15, 15]
    assert [frame["source"] for frame in found["timeline"]] == [0] * 15 + [1] * 15
    assert found["bytes"]["source"] > 2 * 16 * 16 * 3


@pytest.mark.parametrize("predicted", [0, 1])
def test_frames_of_the_video_become_sources_as_it_goes(
    run: Run, video: Path, tmp_path: Path, predicted: int
) -> None:
    keypoints = ["--send", "keypoints", "--predicted", predicted]
    result = run("stream", video, *keypoints, "--sources", 4, "--out", tmp_path)
    assert result.code == 0, result.err
    found = report(tmp_path)
    first = 15 if predicted == 0 else 16  # the first frame sent with the other position
    assert [frame["source"] for frame in found["timeline"]] == [0] * first + [1] * (30 - first)
    assert found["configuration"]["mode"] == "reconstruction"
    assert found["frames"]["total"] == 30


def test_with_one_source_the_report_is_as_ever(run: Run, video: Path, tmp_path: Path) -> None:
    result = run("stream", video, "--out", tmp_path)
    assert "frames by source" not in result.out
    assert report(tmp_path)["source_frames"] == [30]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--sources", 2],
            "sources: requires --send keypoints, because frames are picked by their keypoints",
        ),
        (
            ["--sources", 2, "--send", "keypoints", "--source", "here.png"],
            "sources: cannot be combined with --source",
        ),
        (
            ["--sources", 5, "--send", "keypoints"],
            "sources: 5 given, but the server accepts at most 4",
        ),
        (["--source", "a.png"] * 5, "source: 5 given, but the server accepts at most 4"),
    ],
)
def test_what_cannot_be_is_said(
    run: Run, video: Path, tmp_path: Path, options: list[object], sentence: str
) -> None:
    result = run("stream", video, *options, "--out", tmp_path)
    assert (result.code, result.err.strip()) == (1, f"motioncast: {sentence}")
