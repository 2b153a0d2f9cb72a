"""A run removes the leftovers of killed runs but not the files of running ones."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motioncast.media import unfinished_file, unfinished_folder, write_video

pytest.importorskip("fcntl")

HOLD = """
import sys, time
from pathlib import Path
from motioncast.media import unfinished_folder, write_video
import numpy as np
folder = Path(sys.argv[1])
with unfinished_folder(folder, ".partial-") as aside, write_video(folder / "a.mp4", 25) as video:
    (aside / "spool").write_bytes(b"frames")
    video.write(np.zeros((16, 16, 3), np.uint8))
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_leftovers_of_a_killed_run_are_swept_and_those_of_a_living_one_stay(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"holding\n"
        left = {path.name for path in tmp_path.iterdir()}
        assert len(left) == 2
        with unfinished_folder(tmp_path, ".partial-"), unfinished_file(tmp_path, ".a-", ".mp4"):
            assert left < {path.name for path in tmp_path.iterdir()}
        assert {path.name for path in tmp_path.iterdir()} == left
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert {path.name for path in tmp_path.iterdir()} == left
    with unfinished_folder(tmp_path, ".partial-"), write_video(tmp_path / "a.mp4", 25) as video:
        video.write(np.zeros((16, 16, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_what_only_looks_like_it_stays(tmp_path: Path) -> None:
    names = {".partial-", ".partial-0123456789", "x.partial-01234567", ".partial-ABCDEFGH"}
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / ".partial-0a1b2c3d").mkdir()
    with unfinished_folder(tmp_path, ".partial-"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == names
