from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motioncast.client import MediaError
from motioncast.client.video import read_video, write_video

FRAME = np.full((16, 16, 3), 90, np.uint8)


def test_a_video_survives_within_the_rounding_of_its_colours(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    frame = np.broadcast_to(ramp[:, np.newaxis, np.newaxis], (32, 32, 3)).copy()
    with write_video(tmp_path / "clip.mp4", 25) as video:
        for _ in range(10):
            video.write(frame)
    with read_video(tmp_path / "clip.mp4", 32) as back:
        frames = np.stack(list(back.frames)).astype(float)
    assert frames.shape == (10, 32, 32, 3)
    assert np.abs(frames - frame).mean() < 2


def test_odd_sizes_are_made_even_by_repeating_the_edge(tmp_path: Path) -> None:
    frame = np.zeros((15, 15, 3), np.uint8)
    frame[-1] = frame[:, -1] = 255
    with write_video(tmp_path / "clip.mkv", 25, lossless=True) as video:
        video.write(frame)
    with read_video(tmp_path / "clip.mkv", 16) as back:
        (even,) = back.frames
    np.testing.assert_array_equal(even[:15, :15], frame)
    assert (even[-1] == 255).all()
    assert (even[:, -1] == 255).all()


def test_an_error_in_the_block_leaves_nothing_behind(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with write_video(tmp_path / "clip.mp4", 25) as video:
            video.write(FRAME)
            raise KeyError("of the caller")

    with pytest.raises(KeyError, match="of the caller"):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_an_error_before_the_first_frame_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyError), write_video(tmp_path / "clip.mp4", 25):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"the old one")
    with write_video(path, 25) as video:
        video.write(FRAME)
        assert path.read_bytes() == b"the old one"
    with read_video(path, 16) as back:
        assert len(list(back.frames)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_without_a_frame_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(MediaError, match=r"^clip\.mp4: no frame was written$"),
        write_video(tmp_path / "clip.mp4", 25),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with write_video(tmp_path / "clip.mp4", 25) as video:
        video.write(FRAME)
        with pytest.raises(MediaError, match=r"shape \(8, 8, 3\), the first was \(16, 16, 3\)"):
            video.write(FRAME[:8, :8])


@pytest.mark.parametrize("name", ["clip.unknown", "clip.webm", "missing/clip.mp4"])
def test_where_no_video_can_be_written_it_says_so(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(MediaError, match=r": cannot be written(: [\w ]+)?$"),
        write_video(tmp_path / name, 25) as video,
    ):
        video.write(FRAME)
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, sys
import numpy as np
from motioncast.media import MediaError, write_video
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))  # Python ignores the signal of it
noise = np.random.default_rng(0)
try:
    with write_video(sys.argv[1], 25) as video:
        for _ in range(60):
            video.write(noise.integers(0, 256, (64, 64, 3), np.uint8))
except MediaError as error:
    print(error)
"""


def test_a_disk_that_is_full_is_the_reason_and_nothing_is_left(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "a.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a.mp4: cannot be written: File too large\n"
    assert list(tmp_path.iterdir()) == []
