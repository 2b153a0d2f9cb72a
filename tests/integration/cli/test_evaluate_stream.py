"""`motioncast evaluate stream` measures a folder of clips sent through the services."""

from __future__ import annotations

import json
from math import log10
from pathlib import Path

import numpy as np
import pytest
from support.command_line import Run

from motioncast.client.video import write_video

# The closed-form models turn a white frame into (128, 128, 255): its centroid is in the middle.
PSNR_OF_WHITE_DB = 10 * log10(255**2 / (2 * 127**2 / 3))


@pytest.fixture
def white_clips(tmp_path: Path) -> Path:
    """A folder of two clips of white frames, ten and six frames long."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, frames in (("long", 10), ("short", 6)):
        with write_video(folder / f"{name}.mp4", 25, lossless=True) as video:
            for _ in range(frames):
                video.write(np.full((16, 16, 3), 255, np.uint8))
    return folder


def test_frames_are_measured_by_pattern_and_origin_without_the_sources_own(
    run: Run, white_clips: Path, tmp_path: Path
) -> None:
    wanted = tmp_path / "quality.json"
    options = ("--pattern", "1:1", "--pattern", "2:3", "--json", wanted)
    result = run("evaluate", "stream", white_clips, *options)
    assert result.code == 0, result.err
    rows = json.loads(wanted.read_text())["quality"]
    counted = [(row["pattern"], row["origin"], row["clips"], row["frames"]) for row in rows]
    assert counted == [
        ("1:1", "observed", 2, 4 + 2),
        ("1:1", "predicted", 2, 5 + 3),
        ("2:3", "observed", 2, 3 + 2),
        ("2:3", "predicted", 2, 6 + 3),
    ]
    for row in rows:
        assert row["psnr_db"] == pytest.approx(PSNR_OF_WHITE_DB)
        assert row["copied_source_psnr_db"] == 100.0
        assert row["gain_standard_error_db"] == pytest.approx(0.0)


@pytest.mark.parametrize("pattern", ["0:3", "5", "a:b", "-1:1"])
def test_what_is_no_pattern_is_refused(run: Run, white_clips: Path, pattern: str) -> None:
    result = run("evaluate", "stream", white_clips, f"--pattern={pattern}")
    assert result.code == 1
    assert f"--pattern: {pattern!r} is not M:N" in result.err


def test_a_folder_without_videos_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("evaluate", "stream", tmp_path)
    assert result.code == 1
    assert "contains no videos" in result.err
