"""`motioncast stream --frame`: cropping, the reference of measurements, and full pictures."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio
from support.command_line import Run
from support.toy_finder import picture_with_faces, write_toy_finder
from support.toy_models import build_toy_repository, toy_frame

from motioncast.client.video import read_video, write_video
from motioncast.framing import Crop, cut

LENGTH, WIDTH, HEIGHT = 12, 160, 120


def pictures() -> list[NDArray[np.uint8]]:
    """Returns pictures of a face moving to the right."""
    walk = ((40 + 4 * t, 30, 64 + 4 * t, 60) for t in range(LENGTH))
    return [picture_with_faces(WIDTH, HEIGHT, box) for box in walk]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("walk") / "walk.mp4"
    with write_video(path, 25, lossless=True) as video:
        for picture in pictures():
            video.write(picture)
    return path


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose model asks for framing."""
    root = build_toy_repository(tmp_path_factory.mktemp("faces"))
    write_toy_finder(root)
    wish = 'parameters { key: "framing" value { string_value: "auto" } }\n'
    (root / "toy_keypoint" / "config.pbtxt").write_text(wish)
    return root


def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def crops(folder: Path) -> list[Crop]:
    return [Crop(**frame["crop"]) for frame in report(folder)["timeline"]]


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(path) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [np.asarray(frame, np.uint8) for frame in frames]


def psnr(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    return float(
        peak_signal_noise_ratio(image, reference, data_range=255)  # type: ignore[no-untyped-call]
    )


def test_a_model_of_faces_is_framed_unless_told_otherwise(
    run: Run, walk: Path, faces: Path, tmp_path: Path
) -> None:
    result = run("stream", walk, "--models", faces, "--out", tmp_path)
    assert result.code == 0, result.err
    configuration = report(tmp_path)["configuration"]
    assert configuration["frame"] == "auto"
    assert (configuration["picture_width"], configuration["picture_height"]) == (WIDTH, HEIGHT)
    first, *_, last = crops(tmp_path)
    assert first.side == pytest.approx(50, abs=2)
    assert last.left > first.left + 1  # slowly: half a second of video
    assert all(frame["faces"] == 1 for frame in report(tmp_path)["timeline"])
    assert "framed (auto) from 160 \N{MULTIPLICATION SIGN} 120" in (
        tmp_path / "report.html"
    ).read_text("utf-8")


def test_off_takes_the_centre_square(run: Run, walk: Path, faces: Path, tmp_path: Path) -> None:
    result = run("stream", walk, "--models", faces, "--frame", "off", "--out", tmp_path)
    assert result.code == 0, result.err
    assert report(tmp_path)["configuration"]["frame"] == "off"
    assert all(frame["crop"] is None for frame in report(tmp_path)["timeline"])
    assert report(tmp_path)["raw_frame_bytes"] == LENGTH * 16 * 16 * 3


def test_a_model_that_says_nothing_is_not_framed(run: Run, walk: Path, tmp_path: Path) -> None:
    assert run("stream", walk, "--out", tmp_path).code == 0
    assert report(tmp_path)["configuration"]["frame"] == "off"


def test_quality_is_measured_against_what_the_crop_shows(
    run: Run, walk: Path, faces: Path, tmp_path: Path
) -> None:
    options = ("--frame", "fixed", "--observed", 1, "--predicted", 0)
    assert run("stream", walk, "--models", faces, *options, "--out", tmp_path).code == 0
    shown = crops(tmp_path)
    assert len(set(shown)) == 1
    originals = [cut(picture, shown[0], 16) for picture in pictures()]
    keypoints = [centroid(original) for original in originals]
    for frame, original, points in zip(
        report(tmp_path)["timeline"], originals, keypoints, strict=True
    ):
        expected = psnr(toy_frame(points), original)
        assert frame["result"]["psnr_db"] == pytest.approx(expected, abs=0.05)
        if frame["index"]:
            copied = psnr(originals[0], original)
            assert frame["copied_source"]["psnr_db"] == pytest.approx(copied)
    assert report(tmp_path)["raw_frame_bytes"] == LENGTH * WIDTH * HEIGHT * 3


@pytest.mark.parametrize("send", ["frames", "keypoints"])
def test_results_are_put_back_into_the_full_picture(
    run: Run, walk: Path, faces: Path, tmp_path: Path, send: str
) -> None:
    options = ("--send", send, "--full-picture")
    result = run("stream", walk, "--models", faces, *options, "--out", tmp_path)
    assert result.code == 0, result.err
    assert "full_picture.mp4" in result.out
    full = decoded(tmp_path / "full_picture.mp4")
    assert [picture.shape for picture in full] == [(HEIGHT, WIDTH, 3)] * LENGTH
    results = decoded(tmp_path / "result.mp4")
    for picture, image, original, crop in zip(
        full, results, pictures(), crops(tmp_path), strict=True
    ):
        x, y = (int(value) for value in crop.centre)
        np.testing.assert_allclose(picture[y, x].astype(int), image[8, 8], atol=12)  # H.264
        np.testing.assert_allclose(
            picture[100:, :].astype(int), original[100:, :], atol=12
        )  # below every crop


def test_a_device_frames_as_the_server_does(
    run: Run, walk: Path, faces: Path, tmp_path: Path
) -> None:
    for send in ("frames", "keypoints"):
        options = ("--send", send, "--out", tmp_path / send)
        assert run("stream", walk, "--models", faces, *options).code == 0
    assert crops(tmp_path / "frames") == crops(tmp_path / "keypoints")


def test_without_framing_there_is_no_full_picture(run: Run, walk: Path, tmp_path: Path) -> None:
    result = run("stream", walk, "--full-picture", "--out", tmp_path / "out")
    assert result.code == 1
    assert "full-picture: requires framing" in result.err
    assert not (tmp_path / "out").exists()


def test_without_a_finder_framing_is_refused(run: Run, walk: Path, tmp_path: Path) -> None:
    result = run("stream", walk, "--frame", "auto", "--out", tmp_path)
    assert result.code == 1
    assert "face_finder" in result.err


def test_a_wish_for_framing_without_a_finder_is_said(run: Run, walk: Path, tmp_path: Path) -> None:
    root = build_toy_repository(tmp_path / "models")
    wish = 'parameters { key: "framing" value { string_value: "auto" } }\n'
    (root / "toy_keypoint" / "config.pbtxt").write_text(wish)
    result = run("stream", walk, "--models", root, "--quiet", "--out", tmp_path / "out")
    assert result.code == 0
    sentence = f"toy expects pictures framed on the face, but {root} has no face_finder"
    assert result.err.startswith(f"motioncast: {sentence}")
    assert result.err.count("\n") == 1
    assert report(tmp_path / "out")["advice"][0].startswith(sentence)
    # No advice if the option is given explicitly.
    options = ("--models", root, "--frame", "off", "--quiet", "--out", tmp_path / "off")
    assert run("stream", walk, *options).err == ""
    assert run("stream", walk, *options[:3], "fixed", "--out", tmp_path / "fixed").code == 1
    assert not (tmp_path / "fixed").exists()


def test_folders_of_clips_are_framed_too(run: Run, walk: Path, faces: Path, tmp_path: Path) -> None:
    rows = {}
    for frame in ("auto", "off"):
        file = tmp_path / f"{frame}.json"
        options = ("--pattern", "1:0", "--frame", frame, "--json", file)
        result = run("evaluate", "stream", walk.parent, "--models", faces, *options)
        assert result.code == 0, result.err
        (rows[frame],) = json.loads(file.read_text())["quality"]
    assert run("stream", walk, "--models", faces, "--predicted", 0, "--out", tmp_path).code == 0
    quality = report(tmp_path)["quality"]["observed"]
    assert rows["auto"]["psnr_db"] == pytest.approx(quality["psnr_db"])
    assert rows["off"]["psnr_db"] != pytest.approx(quality["psnr_db"], abs=0.1)


def test_full_pictures_are_upright_with_square_pixels_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "wide.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", 25, options={"qp": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with read_video(path, None) as video:
        assert [frame.shape for frame in video.frames] == [(48, 128, 3)]
    with read_video(path, None, max_pixels=48 * 128 // 4) as video:
        assert [frame.shape for frame in video.frames] == [(24, 64, 3)]


def centroid(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns the toy detector's keypoints for an image, (K, 3)."""
    axis = np.linspace(-1, 1, 16)
    points = []
    for channel in (0, 1):
        weights = image[..., channel].astype(float)
        total = max(weights.sum(), 1e-6)
        x, y = weights.sum(axis=0) @ axis / total, weights.sum(axis=1) @ axis / total
        points.append([x, y, total / (255 * 256)])
    return np.array(points, np.float32)


@pytest.mark.parametrize("size", [(3, 2), (120, 15)])
def test_a_video_too_small_to_be_framed_is_refused_by_its_name(
    run: Run, faces: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "small.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", 25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv444p"
        picture = np.zeros((size[1], size[0], 3), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    result = run("stream", path, "--models", faces, "--out", tmp_path / "out", "--quiet")
    assert result.code == 1
    width, height = size
    assert result.err == (
        f"motioncast: small.mkv: {width} x {height} pixels, but each side must be 16 to 4096\n"
    )
