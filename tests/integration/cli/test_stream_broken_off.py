"""If the server dies amid a video, `motioncast stream` keeps the frames received so far."""

from __future__ import annotations

import html
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from support.command_line import Run, clip_frames, serving_process

from motioncast.client.video import write_video

LENGTH = 200
RATE = 5  # frames per second: the whole video would take 40 s, too long to wait for


@pytest.fixture(scope="module")
def slow_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slow") / "slow.mp4"
    frames = clip_frames()
    with write_video(path, RATE, lossless=True) as video:
        for index in range(LENGTH):
            video.write(frames[index % len(frames)])
    return path


@pytest.fixture
def doomed(toy_repository: Path) -> Iterator[tuple[str, int]]:
    """Address of the orchestrator of a separate `motioncast serve`, and its process id."""
    with serving_process(toy_repository) as (process, addresses):
        yield addresses["orchestrator"], process.pid
        process.kill()


def killer(out: Path, process: int) -> threading.Thread:
    """Kills a process once a stream has written two frames to its folder."""

    def watch() -> None:
        end, pause = time.monotonic() + 60, threading.Event()
        while time.monotonic() < end:
            spools = list(out.glob(".partial-*/*/results"))
            if spools and spools[0].stat().st_size >= 2 * 16 * 16 * 3:
                break
            pause.wait(0.01)
        os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_server_that_is_killed_leaves_what_had_come(
    run: Run, slow_clip: Path, doomed: tuple[str, int], tmp_path: Path
) -> None:
    target, process = doomed
    killing = killer(tmp_path, process)
    options = ("--target", target, "--real-time", "--quiet", "--out", tmp_path)
    result = run("stream", slow_clip, *options)
    killing.join()
    assert result.code == 1
    assert result.err.startswith("motioncast: ")
    assert result.err.count("\n") == 1
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    ended = written["ended"]
    assert 2 <= ended["received"] < ended["expected"] == LENGTH
    assert f"{ended['received']} of {LENGTH} frames were received" in result.err
    assert ended["reason"] in result.err
    assert len(written["timeline"]) == written["frames"]["total"] == ended["received"]
    assert written["bytes"] is None
    with av.open(tmp_path / "result.mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == ended["received"]
    names = {path.name for path in tmp_path.iterdir()}
    names -= {"report.json", "report.html"}
    assert names == {"comparison.mp4", "comparison.png", "result.mp4"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"Incomplete: {ended['received']} of {LENGTH} frames." in page
    assert html.escape(ended["reason"], quote=False) in page.replace("&#39;", "'")
    assert page.count("data:video/mp4;base64,") == 1


def test_whole_results_are_not_replaced_by_a_part(
    run: Run, clip: Path, slow_clip: Path, doomed: tuple[str, int], tmp_path: Path
) -> None:
    target, process = doomed
    assert run("stream", clip, "--quiet", "--out", tmp_path).code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    killing = killer(tmp_path, process)
    options = ("--target", target, "--real-time", "--force", "--quiet", "--out", tmp_path)
    result = run("stream", slow_clip, *options)
    killing.join()
    assert result.code == 1
    assert "earlier results were kept" in result.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
