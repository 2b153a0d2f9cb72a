"""`motioncast stream` with common kinds of files and folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from numpy.typing import NDArray
from support.command_line import FRAMES, Run, clip_frames
from support.movies import write_movie
from support.toy_models import HEIGHT, WIDTH

from motioncast.cli.main import empty_argument


def _report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def _with_sound(path: Path, begins: float) -> Path:
    """Writes the clip with a tone that begins at a given second."""
    time = np.arange(round(FRAMES / 25 * 48_000)) / 48_000
    wave = np.where(time < begins, 0, 0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        assert isinstance(video, av.VideoStream)
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, "bgr0"
        audio = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        assert isinstance(audio, AudioStream)
        sound = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
        sound.sample_rate, sound.pts = 48_000, 0
        for image in clip_frames():
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def _heard(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.rate == 48_000
        parts = [frame.to_ndarray()[0] for frame in container.decode(stream)]
    return np.concatenate(parts)


def test_sound_is_kept_in_step_in_every_video(run: Run, tmp_path: Path) -> None:
    talk = _with_sound(tmp_path / "talk.mkv", begins=0.2)
    out = tmp_path / "out"
    result = run("stream", talk, "--out", out)
    assert result.code == 0, result.err
    for name in ("result.mp4", "comparison.mp4"):
        loud = np.flatnonzero(np.abs(_heard(out / name)) > 0.1)
        assert loud[0] / 48_000 == pytest.approx(0.2, abs=0.025)
    assert _report(out)["sound"] == "kept"
    assert "kept" in result.out


def test_sound_of_a_part_begins_with_it(run: Run, tmp_path: Path) -> None:
    talk = _with_sound(tmp_path / "talk.mkv", begins=0.2)
    assert run("stream", talk, "--skip", 3, "--out", tmp_path / "out", "--quiet").code == 0
    loud = np.flatnonzero(np.abs(_heard(tmp_path / "out" / "result.mp4")) > 0.1)
    assert loud[0] / 48_000 == pytest.approx(0.2 - 3 / 25, abs=0.025)


def test_a_silent_video_is_said_to_be_silent(run: Run, clip: Path, tmp_path: Path) -> None:
    result = run("stream", clip, "--out", tmp_path)
    assert _report(tmp_path)["sound"] == "none: the video has no sound track"
    assert result.out.count("the video has no sound track") == 1


def test_held_frames_keep_the_duration_and_are_counted(run: Run, tmp_path: Path) -> None:
    frames = [np.ascontiguousarray(frame) for frame in clip_frames()]
    times = [index / 25 + (0.4 if index >= 5 else 0.0) for index in range(FRAMES)]
    held = write_movie(tmp_path / "held.mkv", frames, times, codec="ffv1", pixels="bgr0")
    out = tmp_path / "out"
    result = run("stream", held, "--predicted", 0, "--out", out)
    assert result.code == 0, result.err
    report = _report(out)
    assert report["configuration"]["frame_rate"] == 25
    assert report["frames"]["total"] == FRAMES + 10
    assert report["clock"] == {"repeated": 10, "dropped": 0}
    assert "10 frames were repeated and 0 dropped" in result.out
    with av.open(str(out / "result.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES + 10


@pytest.mark.parametrize("name", ["10:30 call.mp4", "-clip.mp4", "[bold]x.mp4", "bad\udcff.mp4"])
def test_any_name_goes_through_to_the_page(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(clip.read_bytes())
    out = name.removesuffix(".mp4") + " out"
    result = run("stream", f"--out={out}", "--", name)
    assert result.code == 0, result.err
    shown = name.replace("\udcff", "\ufffd")
    assert _report(tmp_path / out)["configuration"]["video"] == shown
    page = (tmp_path / out / "report.html").read_text(encoding="utf-8")
    assert shown in page
    assert f"{shown.removesuffix('.mp4')} out/result.mp4" in result.out


def test_results_are_replaced_only_when_that_is_asked_for(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert run("stream", clip, "--out", tmp_path, "--quiet").code == 0
    before = (tmp_path / "report.json").read_text()
    again = run("stream", clip, "--out", tmp_path, "--quiet")
    assert again.code == 1
    assert again.err == (
        f"motioncast: out: {tmp_path} already contains results; --force replaces them\n"
    )
    assert (tmp_path / "report.json").read_text() == before
    assert run("stream", clip, "--out", tmp_path, "--limit", 3, "--force", "--quiet").code == 0
    assert _report(tmp_path)["frames"]["total"] == 3
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--observed", "0"], "observed: 0 is below 1"),
        (["--predicted", "300"], "predicted: 300 exceeds the limit of 256"),
        (["--limit", "0"], "limit: 0 is below 1"),
        (["--seed", "-1"], "seed: -1 is below 0"),
        (["--timeout", "0"], "timeout: 0 s is not above 0"),
        (["--timeout", "nan"], "timeout: nan s is not above 0"),
        (["--timeout", "inf"], "timeout: must be a finite number of seconds"),
        (["--send", "keypoints", "--gate", "nan"], "gate: nan pixels, expected more than 0"),
        (["--send", "keypoints", "--gate", "-1"], "gate: -1 pixels, expected more than 0"),
        (["--relative"], "relative_motion: requires a separate source image"),
        (["--model", "other"], "model: 'other' is not served (expected one of toy)"),
        (["--models", "nowhere"], "repository: nowhere is not a folder"),
        (["--source", "nothing.png"], "nothing.png: no such file"),
        (["--sources", "2"], "sources: requires --send keypoints"),
        (["--full-picture"], "full-picture: requires framing"),
        (["--json", "."], "json: . is a folder, not a file"),
    ],
)
def test_a_wrong_option_is_refused_before_the_video_is_decoded(
    run: Run, tmp_path: Path, options: list[str], sentence: str
) -> None:
    video = tmp_path / "undecodable.mp4"
    video.write_bytes(b"no video")
    result = run("stream", video, "--out", tmp_path / "out", "--quiet", *options)
    assert result.code == 1
    assert sentence in result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--out", ""], ["--out="], ["--json", "", "--out", "x"], ["--source=", "--out", "x"]],
)
def test_nothing_is_no_path(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("stream", clip, *arguments)
    assert result.code == 2
    assert result.err.endswith(": is empty\n")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_argument_is_named() -> None:
    assert empty_argument(["stream", "a.mp4", "--out", "out"]) is None
    assert empty_argument(["stream", "", "--out", "out"]) == "argument 2"


def test_leftovers_of_a_killed_run_are_swept(run: Run, clip: Path, tmp_path: Path) -> None:
    left = tmp_path / ".partial-0a1b2c3d"
    left.mkdir()
    (left / "originals").write_bytes(bytes(100))
    assert run("stream", clip, "--out", tmp_path, "--quiet").code == 0
    assert not left.exists()


def test_a_photograph_of_any_depth_is_a_source(run: Run, clip: Path, tmp_path: Path) -> None:
    from PIL import Image

    grey = np.linspace(0, 65535, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    out = tmp_path / "out"
    assert run("stream", clip, "--source", tmp_path / "grey.png", "--out", out).code == 0
