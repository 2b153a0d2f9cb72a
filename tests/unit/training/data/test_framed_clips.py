"""Clips are framed for training and evaluation as in the product."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.toy_finder import picture_with_faces, write_toy_finder
from support.toy_models import build_toy_repository
from support.videos import write_video

from motioncast.client.framing import DeviceFraming, FaceFinder
from motioncast.data.arguments import DataOptions, data_source
from motioncast.data.framing import ClipFraming
from motioncast.data.own_videos import Division, open_own_videos
from motioncast.data.sources import DataSource, open_clips
from motioncast.data.video_folder import DamagedVideoError, read_clip

SIZE = 32


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = build_toy_repository(tmp_path_factory.mktemp("repository"))
    write_toy_finder(root)
    return root


@pytest.fixture
def framing(repository: Path) -> ClipFraming:
    return ClipFraming(repository / "face_finder" / "1" / "model.onnx")


def walk(length: int) -> np.ndarray:
    """Returns pictures of a face moving to the right."""
    boxes = ((100 + 8 * t, 60, 148 + 8 * t, 120) for t in range(length))
    return np.stack([picture_with_faces(320, 240, box) for box in boxes])


def test_a_clip_is_cut_as_a_device_with_a_fixed_camera_cuts_it(
    tmp_path: Path, framing: ClipFraming
) -> None:
    pictures = walk(5)
    write_video(tmp_path / "walk.mkv", pictures)
    camera = DeviceFraming(FaceFinder(framing.finder), "fixed", SIZE)
    expected = [camera.frame(index, picture).image for index, picture in enumerate(pictures)]
    np.testing.assert_array_equal(read_clip(tmp_path / "walk.mkv", SIZE, framing), expected)


def test_a_clip_without_a_face_shows_its_centre_square(
    tmp_path: Path, framing: ClipFraming
) -> None:
    picture = picture_with_faces(64, 48)
    picture[:, :8] = picture[:, 56:] = (250, 0, 0)  # outside the centre square
    write_video(tmp_path / "wide.mkv", np.stack([picture] * 2))
    clip = read_clip(tmp_path / "wide.mkv", SIZE, framing)
    assert np.abs(clip[:, :, 2:-2].astype(int) - 90).max() <= 2  # no red


def test_a_picture_that_is_too_small_to_be_framed_is_named(
    tmp_path: Path, framing: ClipFraming
) -> None:
    write_video(tmp_path / "small.mkv", np.zeros((2, 12, 40, 3), np.uint8))
    with pytest.raises(DamagedVideoError, match=r"small\.mkv.*40 x 12 pixels"):
        read_clip(tmp_path / "small.mkv", SIZE, framing)


def test_framed_clips_have_a_cache_entry_of_their_own(
    tmp_path: Path, framing: ClipFraming, repository: Path
) -> None:
    folder, cache = tmp_path / "clips", tmp_path / "cache"
    folder.mkdir()
    write_video(folder / "walk.mkv", walk(3))
    plain = open_clips(DataSource(folder), SIZE, cache)
    framed = open_clips(DataSource(folder, framing=framing), SIZE, cache)
    assert plain.fingerprint != framed.fingerprint
    assert not np.array_equal(plain.clip(0), framed.clip(0))
    again = open_clips(DataSource(folder, framing=ClipFraming(framing.finder)), SIZE, cache)
    assert again.fingerprint == framed.fingerprint
    other = tmp_path / "other.onnx"
    other.write_bytes((repository / "toy_keypoint" / "1" / "model.onnx").read_bytes())
    assert ClipFraming(other).options != framing.options


def test_own_videos_are_framed_as_clips_are(tmp_path: Path, framing: ClipFraming) -> None:
    video = tmp_path / "walk.mkv"
    write_video(video, np.concatenate([walk(5)] * 16))
    plain, framed = (
        open_own_videos([video], SIZE, Division(), tmp_path / "cache", chosen).whole
        for chosen in (None, framing)
    )
    assert plain.fingerprint != framed.fingerprint
    np.testing.assert_array_equal(framed.clip(0), read_clip(video, SIZE, framing))


def test_what_is_no_finder_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    write_video(tmp_path / "walk.mkv", walk(1))
    framing = ClipFraming(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="not a face finder"):
        read_clip(tmp_path / "walk.mkv", SIZE, framing)


def test_tfrecords_are_not_framed(tmp_path: Path, framing: ClipFraming) -> None:
    with pytest.raises(ValueError, match="frame: TFRecords show no faces"):
        open_clips(DataSource(tmp_path, layout="tfrecord", framing=framing), SIZE, tmp_path)


def test_the_option_takes_the_finder_of_the_default_repository(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOTIONCAST_MODEL_REPOSITORY", str(repository))
    fixed = data_source(DataOptions(data=Path("clips"), frame="fixed"))
    assert fixed.framing == ClipFraming(repository / "face_finder" / "1" / "model.onnx")
    assert data_source(DataOptions(data=Path("clips"))).framing is None
    bare = build_toy_repository(tmp_path)
    monkeypatch.setenv("MOTIONCAST_MODEL_REPOSITORY", str(bare))
    with pytest.raises(FileNotFoundError, match="has no model face_finder"):
        data_source(DataOptions(data=Path("clips"), frame="fixed"))
