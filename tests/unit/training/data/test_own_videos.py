"""Videos of one person: the parts used for training, held out, and not used."""

from pathlib import Path

import numpy as np
import pytest
from support.videos import gradient_frames, write_video

from motioncast.client.errors import MediaError
from motioncast.data.own_videos import Division, OwnVideosError, open_own_videos


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    """Videos of 100 and 200 frames; frame t is brighter than frame 0 by t mod 32."""
    paths = [tmp_path / "a.mkv", tmp_path / "b.mkv"]
    for path, count in zip(paths, (100, 200), strict=True):
        first = gradient_frames(1, 24, 16)[0].astype(int)
        write_video(path, np.stack([first + t % 32 for t in range(count)]).astype(np.uint8))
    return paths


def test_the_end_of_every_video_is_held_out_and_what_is_behind_it_not_read(
    videos: list[Path], tmp_path: Path
) -> None:
    own = open_own_videos(videos, 16, Division(use=0.7, held_out=0.2), tmp_path / "cache")
    assert list(own.learned) == [0, 2]
    assert own.parts.lengths().tolist() == [56, 14, 112, 28]
    assert len(own.whole.frames) == 70 + 140
    brightness = own.parts.clip(3)[:, 0, 0, 0].astype(int) - own.parts.clip(2)[0, 0, 0, 0]
    assert brightness.tolist() == [t % 32 for t in range(112, 140)]
    assert own.lines()[1] == "b.mkv: 112 frames to train on, 28 held out"


def test_a_short_tail_still_has_the_frames_that_are_judged(
    videos: list[Path], tmp_path: Path
) -> None:
    own = open_own_videos(videos[:1], 16, Division(held_out=0.01), tmp_path / "cache")
    assert own.parts.lengths().tolist() == [88, 12]


def test_a_video_that_is_too_short_is_named(videos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(OwnVideosError, match=r"^a\.mkv: 50 frames are too few \(at least 60"):
        open_own_videos(videos, 16, Division(use=0.5), tmp_path / "cache")


def test_a_file_that_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"notes\.mp4"):
        open_own_videos([tmp_path / "notes.mp4"], 16, Division(), tmp_path / "cache")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.mp4: no such video"):
        open_own_videos([tmp_path / "nowhere.mp4"], 16, Division(), tmp_path / "cache")


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"use": 0.0}, r"use-until: 0 is out of range \(0, 1\]"),
        ({"use": 1.5}, "use-until"),
        ({"held_out": 0.0}, r"held-out: 0 is out of range \(0, 1\)"),
        ({"held_out": 1.0}, "held-out"),
    ],
)
def test_a_share_is_one(shares: dict[str, float], message: str) -> None:
    with pytest.raises(OwnVideosError, match=message):
        Division(**shares)
