"""BAIR robot pushing in its published format, and the handling of damaged records."""

from pathlib import Path

import numpy as np
import pytest
from support.tfrecords import example, framed, robot_features, robot_frames, write_records
from support.videos import gradient_frames, write_video

from motioncast.data.sources import DataSource, open_clips
from motioncast.data.video_folder import DamagedVideoError

ONE, TWO, THREE = robot_frames(1), robot_frames(2), robot_frames(3)


@pytest.fixture
def train(tmp_path: Path) -> Path:
    folder = tmp_path / "softmotion30_44k" / "train"
    folder.mkdir(parents=True)
    return folder


def record(main: np.ndarray) -> bytes:
    return example(robot_features(main))


def test_every_record_is_a_clip_of_the_camera_that_was_asked_for(
    train: Path, tmp_path: Path
) -> None:
    write_records(train / "traj_0_to_1.tfrecords", [example(robot_features(ONE, aux1=TWO))])

    main = open_clips(DataSource(train), 64, tmp_path / "cache")
    aux1 = open_clips(DataSource(train, camera="aux1"), 64, tmp_path / "cache")

    assert main.names == aux1.names == ("traj_0_to_1.tfrecords#0",)
    assert np.array_equal(main.clip(0), ONE)
    assert np.array_equal(aux1.clip(0), TWO)
    assert main.fingerprint != aux1.fingerprint


def test_clips_are_scaled_by_averaging(train: Path, tmp_path: Path) -> None:
    write_records(train / "a.tfrecords", [record(ONE)])

    small = open_clips(DataSource(train), 32, tmp_path / "cache").clip(0)

    expected = ONE.astype(float).reshape(30, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    assert small.shape == (30, 32, 32, 3)
    assert np.abs(small - expected).max() <= 2


@pytest.mark.parametrize(
    ("name", "images", "message"),
    [
        ("29/image_main/encoded", [], "no images in 29/image_main/encoded"),
        ("3/image_main/encoded", [bytes(12287)], "3/image_main/encoded has 12287 bytes, expected"),
        ("3/image_main/encoded", [bytes(12288)] * 2, "2 images in 3/image_main/encoded"),
    ],
)
def test_a_record_without_its_images_is_named(
    train: Path, tmp_path: Path, name: str, images: list[bytes], message: str
) -> None:
    broken = example({**robot_features(ONE), name: images})
    write_records(train / "a.tfrecords", [broken])

    with pytest.raises(DamagedVideoError, match=rf"a\.tfrecords: record 0 at byte 0: {message}"):
        open_clips(DataSource(train), 64, tmp_path / "cache")


@pytest.fixture
def with_damage(train: Path) -> Path:
    """A folder where record 1 of a has a flipped bit, b is intact and c is empty."""
    whole = framed(record(TWO))
    damaged = bytearray(whole)
    damaged[5000] ^= 1
    (train / "a.tfrecords").write_bytes(whole + damaged + whole)
    write_records(train / "b.tfrecords", [record(THREE)])
    (train / "c.tfrecords").touch()
    return train


def test_damage_is_refused_by_file_record_and_place(with_damage: Path, tmp_path: Path) -> None:
    offset = (with_damage / "a.tfrecords").stat().st_size // 3

    with pytest.raises(
        DamagedVideoError,
        match=rf"a\.tfrecords: record 1 at byte {offset}: wrong checksum of the data",
    ):
        open_clips(DataSource(with_damage), 64, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_damage_is_skipped_on_request_up_to_the_next_file(
    with_damage: Path, tmp_path: Path
) -> None:
    for _ in range(2):  # decoded, then from the cache
        clips = open_clips(DataSource(with_damage), 64, tmp_path / "cache", damaged="skip")

        assert clips.names == ("a.tfrecords#0", "b.tfrecords#0")
        assert clips.skipped == ("a.tfrecords from clip 1 on", "c.tfrecords")
        assert np.array_equal(clips.clip(1), THREE)


def test_a_list_names_the_files_that_are_read(with_damage: Path, tmp_path: Path) -> None:
    names = tmp_path / "small.txt"
    names.write_text("b\n")

    clips = open_clips(DataSource(with_damage, names=names), 64, tmp_path / "cache")

    assert clips.names == ("b.tfrecords#0",)


def test_the_folder_above_train_and_test_points_there(train: Path, tmp_path: Path) -> None:
    write_records(train / "a.tfrecords", [])

    with pytest.raises(FileNotFoundError, match=r"did you mean .*softmotion30_44k/train\?"):
        open_clips(DataSource(train.parent), 64, tmp_path / "cache")


def test_a_folder_of_both_kinds_asks_which(train: Path, tmp_path: Path) -> None:
    write_records(train / "a.tfrecords", [record(ONE)])
    write_video(train / "b.mkv", gradient_frames(2, 64, 64))

    with pytest.raises(ValueError, match="contains both TFRecords and videos"):
        open_clips(DataSource(train), 64, tmp_path / "cache")
    videos = open_clips(DataSource(train, layout="videos"), 64, tmp_path / "cache")
    records = open_clips(DataSource(train, layout="tfrecord"), 64, tmp_path / "cache")

    assert videos.names == ("b.mkv",)
    assert records.names == ("a.tfrecords#0",)
