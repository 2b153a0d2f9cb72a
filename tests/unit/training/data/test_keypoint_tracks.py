"""Keypoint tracks on disk and the windows drawn from them."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from motioncast.data.clip_cache import ClipCache, open_cache
from motioncast.data.keypoints import (
    Tracks,
    TracksError,
    cached_tracks,
    load_tracks,
    main,
    save_tracks,
)
from motioncast.data.motion_statistics import motion_basis, motion_statistics
from motioncast.data.video_folder import read_clip
from motioncast.data.windows import every_window, random_windows, shares_by_person
from motioncast.models.checkpoint import load_motion_transfer, save_motion_transfer
from motioncast.models.configurations import LITE128
from motioncast.models.motion_transfer import MotionTransfer


def ramp(frames: int, start: float = 0.0) -> torch.Tensor:
    """Returns a clip (T, 2, 3) whose coordinates all equal the frame number plus `start`."""
    return (torch.arange(frames) + start)[:, None, None].expand(frames, 2, 3).clone()


def two_clips() -> Tracks:
    keypoints = torch.cat([ramp(5), ramp(4, start=100.0)])
    return Tracks(("a.mp4", "b.mp4"), (0, 5, 9), keypoints, (False, True))


def test_tracks_survive_the_disk(tmp_path: Path) -> None:
    save_tracks(two_clips(), tmp_path / "tracks.npz")
    read = load_tracks(tmp_path / "tracks.npz")
    assert read.names == ("a.mp4", "b.mp4")
    assert read.starts == (0, 5, 9)
    assert read.validation == (False, True)
    assert_close(read.keypoints, two_clips().keypoints)
    assert [path.name for path in tmp_path.iterdir()] == ["tracks.npz"]


def test_subsets_divide_the_clips() -> None:
    assert_close(two_clips().subset("training"), [ramp(5)])
    assert_close(two_clips().subset("validation"), [ramp(4, start=100.0)])
    assert len(two_clips().subset("all")) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": np.zeros((9, 2, 2), np.float32)}, r"keypoints have shape \(9, 2, 2\)"),
        ({"keypoints": np.full((9, 2, 3), np.nan, np.float32)}, "not finite"),
        ({"starts": np.array([0, 5, 8])}, "starts do not divide the 9 frames"),
        ({"starts": np.array([0, 9])}, "disagree about the number of clips"),
        ({"validation": None}, "missing validation"),
    ],
)
def test_damaged_tracks_are_refused_by_name(
    tmp_path: Path, change: dict[str, np.ndarray | None], message: str
) -> None:
    path = tmp_path / "tracks.npz"
    save_tracks(two_clips(), path)
    with np.load(path) as file:
        arrays = {**file, **change}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(TracksError, match=f"tracks.npz: .*{message}"):
        load_tracks(path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_archive_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tracks.npz"
    path.write_bytes(content)
    with pytest.raises(TracksError, match=r"tracks\.npz"):
        load_tracks(path)


@given(position=st.integers(0), flipped=st.integers(1, 255))
def test_whichever_byte_is_flipped_tracks_are_refused_or_unharmed(
    tmp_path_factory: pytest.TempPathFactory, position: int, flipped: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    save_tracks(two_clips(), path)
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= flipped
    path.write_bytes(content)
    with suppress(TracksError):
        read = load_tracks(path)
        assert torch.equal(read.keypoints, two_clips().keypoints)
        assert (read.names, read.starts) == (two_clips().names, two_clips().starts)


def test_statistics_of_a_ramp_are_its_mean_and_unit_step() -> None:
    statistics = motion_statistics([ramp(3), ramp(3)])
    assert_close(statistics.mean, torch.ones(2, 3))
    assert_close(statistics.unit, torch.ones(2, 3))


def test_a_coordinate_that_never_moves_has_a_positive_unit() -> None:
    statistics = motion_statistics([torch.full((4, 1, 3), 0.5)])
    assert (statistics.unit > 0).all()
    assert (statistics.std > 0).all()


def test_windows_never_cross_from_one_clip_to_the_next() -> None:
    windows = every_window(two_clips().subset("all"), length=3, stride=1)
    assert windows[:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101]
    assert_close(windows.diff(dim=1), torch.ones(5, 2, 2, 3))


def test_random_windows_play_forwards_and_backwards() -> None:
    drawn = random_windows([ramp(9)], 4, 256, torch.Generator().manual_seed(0))
    steps = drawn.diff(dim=1)[:, :, 0, 0]
    assert set(steps.flatten().tolist()) == {1.0, -1.0}
    assert set(drawn[steps[:, 0] > 0, 0, 0, 0].tolist()) == {0, 1, 2, 3, 4, 5}


def test_random_windows_of_a_robot_play_forwards_only() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = random_windows([ramp(9)], 4, 64, generator, time_flip=False)
    assert_close(drawn.diff(dim=1), torch.ones(64, 3, 2, 3))


def test_windows_longer_than_every_clip_are_refused() -> None:
    with pytest.raises(ValueError, match="all are shorter than 6 frames"):
        every_window([ramp(5)], length=6, stride=1)
    with pytest.raises(ValueError, match="all are shorter than 6 frames"):
        random_windows([ramp(5)], 6, 1, torch.Generator())


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_motion_transfer(MotionTransfer(LITE128), tmp_path / "synthesis.pt")
    return tmp_path / "synthesis.pt"


@pytest.fixture
def clips(tmp_path: Path) -> ClipCache:
    (tmp_path / "videos").mkdir()
    for name, frames in (("a.mkv", 3), ("b.mkv", 2)):
        write_noise_video(tmp_path / "videos" / name, frames)
    return open_cache(tmp_path / "videos", LITE128.image_size, tmp_path / "cache")


def test_cached_tracks_are_extracted_once(
    checkpoint: Path, clips: ClipCache, tmp_path: Path
) -> None:
    first = cached_tracks(checkpoint, clips, tmp_path / "tracks")
    (entry,) = (tmp_path / "tracks").iterdir()
    save_tracks(replace(first, keypoints=first.keypoints + 1), entry)

    again = cached_tracks(checkpoint, clips, tmp_path / "tracks")

    assert first.names == ("a.mkv", "b.mkv")
    assert torch.equal(again.keypoints, first.keypoints + 1)


def test_cached_tracks_that_are_damaged_are_extracted_again(
    checkpoint: Path, clips: ClipCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = cached_tracks(checkpoint, clips, tmp_path / "tracks")
    (entry,) = (tmp_path / "tracks").iterdir()
    whole = entry.read_bytes()
    for damage in (whole[:-40], whole[:200] + b"\xff" * 9 + whole[209:]):
        entry.write_bytes(damage)

        again = cached_tracks(checkpoint, clips, tmp_path / "tracks")

        assert torch.equal(again.keypoints, first.keypoints)
        assert torch.equal(load_tracks(entry).keypoints, first.keypoints)
        assert f"extracting again: {entry}" in capsys.readouterr().out


def test_another_checkpoint_has_tracks_of_its_own(
    checkpoint: Path, clips: ClipCache, tmp_path: Path
) -> None:
    first = cached_tracks(checkpoint, clips, tmp_path / "tracks")
    torch.manual_seed(1)
    save_motion_transfer(MotionTransfer(LITE128), checkpoint)

    second = cached_tracks(checkpoint, clips, tmp_path / "tracks")

    assert len(list((tmp_path / "tracks").iterdir())) == 2
    assert not torch.equal(first.keypoints, second.keypoints)


def test_clips_that_are_in_no_cache_have_tracks_that_are_in_none(
    checkpoint: Path, clips: ClipCache, tmp_path: Path
) -> None:
    tracks = cached_tracks(checkpoint, replace(clips, fingerprint=""), tmp_path / "tracks")

    assert tracks.names == clips.names
    assert not (tmp_path / "tracks").exists()


def test_the_command_writes_what_the_detector_sees_in_every_frame(
    checkpoint: Path, clips: ClipCache, tmp_path: Path
) -> None:
    main(
        [
            *("--checkpoint", str(checkpoint), "--cache", str(tmp_path / "cache")),
            *("--data", str(tmp_path / "videos"), "--out", str(tmp_path / "tracks.npz")),
            *("--threads", "1", "--validation-percent", "100"),
        ]
    )
    tracks = load_tracks(tmp_path / "tracks.npz")
    assert tracks.names == clips.names
    assert tracks.validation == (True,) * len(clips)
    model = load_motion_transfer(checkpoint)
    for index, name in enumerate(tracks.names):
        clip = read_clip(tmp_path / "videos" / name, LITE128.image_size)
        images = torch.from_numpy(clip).permute(0, 3, 1, 2) / 255
        with torch.inference_mode():
            expected = model.detect(images)
        assert_close(tracks.clip(index), expected.clone(), atol=1e-5, rtol=1e-5)


def write_noise_video(path: Path, frames: int) -> None:
    generator = np.random.default_rng(frames)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 128, "bgr0"
        for image in generator.integers(0, 256, (frames, 128, 128, 3), dtype=np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def test_people_are_named_before_the_slash_and_a_clip_without_one_is_its_own() -> None:
    tracks = replace(two_clips(), names=("ada/a.mp4", "b.mp4"))
    assert tracks.people("all") == ["ada", "b.mp4"]
    assert tracks.people("validation") == ["b.mp4"]


def test_a_person_is_drawn_by_the_root_of_the_frames_whatever_the_number_of_clips() -> None:
    clips = [ramp(50), ramp(50), ramp(25)]
    shares = shares_by_person(clips, ["ada", "ada", "bob"])
    assert_close(shares, torch.tensor([5.0, 5.0, 5.0], dtype=torch.float64))
    drawn = random_windows(
        [ramp(50), ramp(50), ramp(25, start=1000.0)],
        2,
        3000,
        torch.Generator().manual_seed(0),
        people=["ada", "ada", "bob"],
    )
    bobs = (drawn[:, 0, 0, 0] >= 1000).float().mean()
    assert abs(bobs - 1 / 3) < 4 * (2 / 9 / 3000) ** 0.5


def test_the_basis_is_the_directions_in_which_keypoints_move_together() -> None:
    # Exactly two directions of motion, one three times as strong.
    generator = torch.Generator().manual_seed(0)
    directions = torch.zeros(2, 2, 3)
    directions[0, :, 0] = 0.5**0.5  # both to the right
    directions[1, 0, 1] = 1.0  # the first one down
    steps = torch.randn(4000, 2, generator=generator) * torch.tensor([3.0, 1.0])
    clip = torch.einsum("tc,ckd->tkd", steps.cumsum(dim=0), directions)
    basis, energy = motion_basis([clip], torch.ones(2, 3), 2)
    assert_close((basis.T @ directions.flatten(1).T).abs(), torch.eye(2), atol=0.05, rtol=0)
    assert_close(basis.T @ basis, torch.eye(2), atol=1e-5, rtol=0)
    assert_close(
        energy, torch.tensor([36.0, 4.0]), atol=0, rtol=0.2
    )  # four frames of a random walk
    with pytest.raises(ValueError, match="components: 7 is more than the 6"):
        motion_basis([clip], torch.ones(2, 3), 7)
