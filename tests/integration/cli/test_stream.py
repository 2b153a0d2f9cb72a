"""`motioncast stream`: its output agrees with the closed form of the toy models."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from support.command_line import FRAMES, Run, clip_frames, clip_keypoints
from support.toy_models import HEIGHT, WIDTH, toy_frame, toy_path

from motioncast.cli.colours import ORIGIN_COLOURS
from motioncast.client import Origin

FILES = {"comparison.mp4", "comparison.png", "result.mp4", "report.html", "report.json"}


def _report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def _psnr(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    return float(
        peak_signal_noise_ratio(image, reference, data_range=255)  # type: ignore[no-untyped-call]
    )


def _expected_results(observed: NDArray[np.bool_]) -> list[NDArray[np.uint8]]:
    keypoints = clip_keypoints()
    return [toy_frame(one) for one in toy_path(keypoints, observed)]


@pytest.mark.parametrize(
    ("observed", "predicted", "origins"),
    [(1, 1, "OPOPOPOPOP"), (2, 3, "OOPPPOOPPP"), (5, 27, "OOOOOPPPPP"), (3, 0, "OOOOOOOOOO")],
)
def test_every_frame_is_reported_with_its_origin_and_its_quality(
    run: Run, clip: Path, tmp_path: Path, observed: int, predicted: int, origins: str
) -> None:
    result = run(
        "stream", clip, "--observed", observed, "--predicted", predicted, "--out", tmp_path
    )
    assert result.code == 0, result.err
    timeline = _report(tmp_path)["timeline"]
    assert "".join(frame["origin"][0].upper() for frame in timeline) == origins
    results = _expected_results(np.array([letter == "O" for letter in origins]))
    for frame, original, expected in zip(timeline, clip_frames(), results, strict=True):
        assert frame["result"]["psnr_db"] == pytest.approx(_psnr(original, expected))
    copied = [_psnr(frame, clip_frames()[0]) for frame in clip_frames()[1:]]
    quality = _report(tmp_path)["quality"]
    assert quality["all"]["copied_source_psnr_db"] == pytest.approx(np.mean(copied))


def test_motion_is_measured_from_frame_to_frame_and_by_what_a_detector_sees(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    result = run("stream", clip, "--predicted", 1, "--out", tmp_path)
    assert result.code == 0, result.err
    motion = _report(tmp_path)["motion"]
    changes, true = (
        np.diff(np.stack(frames).astype(float), axis=0)
        for frames in (_expected_results(np.arange(FRAMES) % 2 == 0), clip_frames())
    )
    expected = np.square(changes - true).sum() / np.square(true).sum()
    assert motion["temporal_error"] == pytest.approx(expected)
    assert motion["frames"] == FRAMES - 1
    # The toy synthesis paints uniform frames, in which its detector sees no motion.
    assert motion["keypoints"]["amplitude"] == pytest.approx(0, abs=1e-5)
    assert motion["mouth"] is motion["lids"] is motion["reason"] is None
    assert "error of motion" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{expected:.3f}  error of motion" in result.out


def test_counts_and_bytes_are_those_of_what_was_sent(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("stream", clip, "--predicted", 1, "--out", tmp_path).code == 0
    report = _report(tmp_path)
    assert report["frames"] == {"total": 10, "observed": 5, "predicted": 5, "concealed": 0}
    raw = FRAMES * HEIGHT * WIDTH * 3
    assert report["raw_frame_bytes"] == raw
    received = report["bytes"]["frames"]
    # Five raw frames, each with at most 32 bytes of protobuf overhead.
    assert raw / 2 < received < raw / 2 + 5 * 32
    assert report["bits_per_sent_frame"] == 8 * received / 5
    assert report["bits_per_second"] == pytest.approx(8 * received * 25 / FRAMES)
    assert report["saved"]["against_all_keypoints"] == 0.5
    sent = received + report["bytes"]["source"]
    assert report["saved"]["against_raw_frames"] == pytest.approx(1 - sent / raw)
    assert {stage["stage"] for stage in report["latency"]} == {
        "keypoint", "predictor", "synthesis", "ensemble", "total", "framing", "end_to_end"
    }  # fmt: skip


def test_all_files_are_there_and_show_every_frame(run: Run, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    result = run("stream", clip, "--out", out)
    assert {path.name for path in out.iterdir()} == FILES
    assert all(str(out / name) in result.out for name in FILES)
    for name in ("comparison.mp4", "result.mp4"):
        with av.open(out / name) as container:
            assert container.streams.video[0].average_rate == 25
            assert sum(1 for _ in container.decode(video=0)) == FRAMES


def test_the_border_in_the_video_tells_the_origin(run: Run, clip: Path, tmp_path: Path) -> None:
    run("stream", clip, "--predicted", 1, "--out", tmp_path)
    with av.open(tmp_path / "comparison.mp4") as container:
        for index, frame in enumerate(container.decode(video=0)):
            picture = frame.to_ndarray(format="rgb24").astype(int)
            origin = Origin.PREDICTED if index % 2 else Origin.OBSERVED
            close = np.abs(picture - ORIGIN_COLOURS[origin]).max(axis=-1) < 40
            assert close.mean() > 0.03  # two borders of six pixels around 256


def test_keypoints_detected_here_give_the_same_result_for_fewer_bytes(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    frames, keypoints = tmp_path / "frames", tmp_path / "keypoints"
    assert run("stream", clip, "--out", frames).code == 0
    result = run("stream", clip, "--send", "keypoints", "--out", keypoints)
    assert result.code == 0, result.err
    by_frames, by_keypoints = _report(frames), _report(keypoints)
    for one, other in zip(by_frames["timeline"], by_keypoints["timeline"], strict=True):
        assert one["result"] == other["result"]
    assert by_keypoints["bytes"]["frames"] == 0
    assert 0 < by_keypoints["bytes"]["keypoints"] < by_frames["bytes"]["frames"] / 10


def test_another_source_is_animated_and_has_nothing_to_be_compared_with(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source.png"
    Image.fromarray(clip_frames()[4]).resize((64, 48)).save(source)
    out = tmp_path / "out"
    result = run("stream", clip, "--source", source, "--relative", "--out", out)
    assert result.code == 0, result.err
    report = _report(out)
    assert report["configuration"]["mode"] == "transfer"
    assert report["configuration"]["relative_motion"] is True
    assert report["quality"]["reason"].startswith("transfer")
    assert report["quality"]["all"] is None
    assert report["motion"]["temporal_error"] is None
    assert report["motion"]["frames"] == FRAMES - 1  # compared with the driving video
    assert all(frame["result"] is None for frame in report["timeline"])


def test_in_real_time_no_frame_is_sent_before_it_is_due(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    assert run("stream", clip, "--real-time", "--predicted", 0, "--out", tmp_path).code == 0
    report = _report(tmp_path)
    assert report["configuration"]["pace"] == "real time"
    assert report["wall_seconds"] >= (FRAMES - 1) / 25
    assert report["frames"]["observed"] == FRAMES


def test_the_json_that_was_asked_for_is_the_report(run: Run, clip: Path, tmp_path: Path) -> None:
    out, wanted = tmp_path / "out", tmp_path / "elsewhere" / "result.json"
    result = run("stream", clip, "--limit", 3, "--out", out, "--json", wanted, "--quiet")
    assert (result.out, result.err) == ("", "")
    assert json.loads(wanted.read_text()) == _report(out)
    assert _report(out)["frames"]["total"] == 3


def test_frames_are_left_out_at_the_beginning(run: Run, clip: Path, tmp_path: Path) -> None:
    command = ("stream", clip, "--skip", 3, "--limit", 4, "--predicted", 0, "--out", tmp_path)
    assert run(*command).code == 0
    report = _report(tmp_path)
    assert report["frames"]["total"] == 4
    copied = [_psnr(frame, clip_frames()[3]) for frame in clip_frames()[4:7]]
    assert report["quality"]["all"]["copied_source_psnr_db"] == pytest.approx(np.mean(copied))


def test_no_frame_left_is_said_with_how_many_there_are(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    result = run("stream", clip, "--skip", FRAMES, "--out", tmp_path / "out")
    assert result.code == 1
    assert f"skip: {clip.name} has only {FRAMES} frames, cannot skip {FRAMES}" in result.err
    assert not (tmp_path / "out").exists()


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_nothing_but_itself(run: Run, clip: Path, tmp_path: Path) -> None:
    run("stream", clip, "--out", tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    links = _Links()
    links.feed(page)
    assert len(links.found) == 2  # the video and the picture
    assert all(link.startswith("data:") for link in links.found)
    assert "url(" not in page
    assert page.count("<svg") == 3  # PSNR, SSIM, latency
