"""Reading videos, the cache of decoded clips, and samples drawn from it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from support.videos import Frames, gradient_frames, write_png, write_video
from torch.testing import assert_close

from motioncast.data.augmentation import (
    BAIR,
    NEMO,
    PEOPLE,
    Augmentation,
    augment,
    random_affine,
    transform,
)
from motioncast.data.clip_cache import ClipCache, open_cache, split_validation
from motioncast.data.pairs import PairSampler, Pool
from motioncast.data.video_folder import DamagedVideoError, VideoFolder, read_clip


def cache_of(*clips: Frames) -> ClipCache:
    starts = np.cumsum([0, *(len(clip) for clip in clips)]).tolist()
    names = tuple(f"{index}.mkv" for index in range(len(clips)))
    return ClipCache(names=names, starts=tuple(starts), frames=np.concatenate(clips))


def test_a_lossless_video_is_read_back_exactly(tmp_path: Path) -> None:
    frames = gradient_frames(5, 32, 32)
    write_video(tmp_path / "clip.mkv", frames)

    assert np.array_equal(read_clip(tmp_path / "clip.mkv", 32), frames)


def test_a_wide_video_is_cropped_to_its_centre(tmp_path: Path) -> None:
    frames = gradient_frames(3, 32, 48)
    write_video(tmp_path / "wide.mkv", frames)

    assert np.array_equal(read_clip(tmp_path / "wide.mkv", 32), frames[:, :, 8:40])


def test_a_clip_is_scaled_to_the_wanted_size(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mkv", gradient_frames(2, 64, 64))

    small = read_clip(tmp_path / "clip.mkv", 32)

    assert small.shape == (2, 32, 32, 3)
    pairs_of_columns = gradient_frames(2, 64, 64)[:, ::2].astype(float).reshape(2, 32, 32, 2, 3)
    assert np.abs(small - pairs_of_columns.mean(axis=3)).max() <= 2


def test_a_png_strip_is_a_clip_of_its_frames(tmp_path: Path) -> None:
    frames = gradient_frames(4, 16, 16)
    write_png(tmp_path / "strip.png", np.concatenate(list(frames), axis=1))

    assert np.array_equal(read_clip(tmp_path / "strip.png", 16), frames)


def test_a_strip_of_no_whole_number_of_frames_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "strip.png", np.zeros((16, 40, 3), dtype=np.uint8))

    with pytest.raises(
        DamagedVideoError, match=r"strip\.png.*40, is not a multiple of its height, 16"
    ):
        read_clip(tmp_path / "strip.png", 16)


def test_a_folder_without_videos_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="contains no videos"):
        VideoFolder(tmp_path).paths()
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        VideoFolder(tmp_path / "missing").paths()


@pytest.fixture
def folder_with_damage(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "a.mkv", gradient_frames(4, 16, 16))
    (folder / "b.mkv").write_bytes(b"not a video at all")
    write_video(folder / "c.mkv", gradient_frames(6, 16, 16))
    return folder


def test_a_damaged_file_is_refused_by_name_and_leaves_no_cache(
    folder_with_damage: Path, tmp_path: Path
) -> None:
    with pytest.raises(DamagedVideoError, match=r"b\.mkv"):
        open_cache(folder_with_damage, 16, tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_file_is_skipped_on_request_and_listed(
    folder_with_damage: Path, tmp_path: Path
) -> None:
    cache = open_cache(folder_with_damage, 16, tmp_path / "cache", damaged="skip")

    assert cache.names == ("a.mkv", "c.mkv")
    assert cache.skipped == ("b.mkv",)
    assert cache.lengths().tolist() == [4, 6]
    assert np.array_equal(cache.clip(1), gradient_frames(6, 16, 16))


def test_a_cache_is_reused_until_the_folder_changes(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "a.mkv", gradient_frames(4, 16, 16))
    open_cache(folder, 16, tmp_path / "cache")
    again = open_cache(folder, 16, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1

    write_video(folder / "b.mkv", gradient_frames(2, 16, 16))
    assert len(again) == 1
    assert len(open_cache(folder, 16, tmp_path / "cache")) == 2


def test_processes_that_decode_at_once_agree(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "a.mkv", gradient_frames(4, 16, 16))

    with ThreadPoolExecutor(4) as pool:
        opened = pool.map(lambda _: open_cache(folder, 16, tmp_path / "cache"), range(4))

    assert len({clips.fingerprint for clips in opened}) == 1
    assert [path.name[:10] for path in (tmp_path / "cache").iterdir()] == ["videos-16-"]


def test_validation_clips_depend_on_names_alone() -> None:
    frames = np.zeros((1000, 1, 1, 3), dtype=np.uint8)
    names = tuple(f"clip{index}.mp4" for index in range(1000))
    cache = ClipCache(names=names, starts=tuple(range(1001)), frames=frames)

    training, validation = split_validation(cache)

    assert sorted(training + validation) == list(range(1000))
    assert 30 <= len(validation) <= 70
    fewer = ClipCache(names=names[500:], starts=tuple(range(501)), frames=frames[500:])
    assert [index + 500 for index in split_validation(fewer)[1]] == [
        index for index in validation if index >= 500
    ]


def test_samples_depend_on_seed_and_step_alone() -> None:
    sampler = PairSampler([Pool(cache_of(gradient_frames(9, 16, 16)), [0])], batch_size=3, seed=5)
    other = PairSampler(sampler.pools, batch_size=3, seed=6)

    first = sampler.batch(7)
    sampler.batch(8)

    for part, again in zip(first, sampler.batch(7), strict=True):
        assert torch.equal(part, again)
    assert not torch.equal(first.source, other.batch(7).source)


def test_frames_of_a_sample_come_from_one_clip_and_differ() -> None:
    dark, bright = np.zeros((6, 8, 8, 3), np.uint8), np.full((6, 8, 8, 3), 128, np.uint8)
    for clip in (dark, bright):
        clip += np.arange(6, dtype=np.uint8)[:, None, None, None]
    plain = Augmentation(flip_probability=0, zoom=0, colour=0, brightness=0)
    sampler = PairSampler([Pool(cache_of(dark, bright), [0, 1])], 32, seed=0, augmentation=plain)

    values = torch.stack(list(sampler.batch(0)), dim=1)[:, :, 0, 0, 0] * 255  # (B, 3)

    assert_close(values // 128, (values // 128)[:, :1].expand(-1, 3))
    assert (values[:, 0].round() != values[:, 1].round()).all()
    assert ((values[:, 1] - values[:, 2]).abs().round() == 2).all()


@pytest.mark.parametrize(
    ("augmentation", "orders"), [(NEMO, {-1.0, 1.0}), (BAIR, {1.0})], ids=["nemo", "bair"]
)
def test_faces_are_played_both_ways_and_robots_forwards(
    augmentation: Augmentation, orders: set[float]
) -> None:
    clip = np.zeros((6, 8, 8, 3), np.uint8) + np.arange(6, dtype=np.uint8)[:, None, None, None]
    clip[:, :, :4] += 100  # the left half is brighter unless flipped
    sampler = PairSampler([Pool(cache_of(clip), [0])], 64, seed=0, augmentation=augmentation)

    source, driving, _ = sampler.batch(0)

    later = (driving.mean(dim=(1, 2, 3)) - source.mean(dim=(1, 2, 3))).sign()
    brighter_left = source[:, 0, 0, 0] > source[:, 0, 0, -1]
    assert set(later.tolist()) == orders
    assert set(brighter_left.tolist()) == {True, False}


def test_processes_draw_their_parts_of_the_same_batch() -> None:
    pools = [Pool(cache_of(gradient_frames(9, 16, 16)), [0])]
    whole = PairSampler(pools, 4, seed=5, augmentation=PEOPLE).batch(7)
    parts = [PairSampler(pools, 4, 5, PEOPLE, rank=rank, count=2).batch(7) for rank in (0, 1)]

    for together, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(together, torch.cat([first, second]))


def test_pools_give_their_shares_of_the_samples() -> None:
    dark, bright = np.zeros((6, 8, 8, 3), np.uint8), np.full((6, 8, 8, 3), 255, np.uint8)
    plain = Augmentation(flip_probability=0, zoom=0, colour=0, brightness=0)
    pools = [Pool(cache_of(dark), [0], 0.75), Pool(cache_of(bright), [0], 0.25)]

    source = PairSampler(pools, 2000, seed=0, augmentation=plain).batch(0).source

    # 0.25 within four standard deviations of a binomial share: 4 sqrt(.25 .75 / 2000) = .039
    assert abs(float(source.mean()) - 0.25) < 0.039


def test_a_photograph_is_a_clip_of_one_frame_and_is_given_motion(tmp_path: Path) -> None:
    frame = gradient_frames(1, 32, 32)[0]
    write_png(tmp_path / "face.png", frame)
    (tmp_path / "face.png").rename(tmp_path / "face.jpg")  # FFmpeg looks at content, not names
    cache = open_cache(tmp_path, 32, cache=tmp_path / "cache")
    sampler = PairSampler([Pool(cache, [0])], 8, seed=0, augmentation=PEOPLE)

    source, driving, neighbour = sampler.batch(0)

    assert len(cache.clip(0)) == 1
    moved = (source - driving).abs().mean(dim=(1, 2, 3))
    lately = (driving - neighbour).abs().mean(dim=(1, 2, 3))
    assert (moved > 0).all()
    assert (lately < moved).all()  # the neighbour is at three quarters of the motion


def test_strong_variation_treats_the_frames_of_a_sample_alike() -> None:
    frame = torch.from_numpy(gradient_frames(1, 32, 32)).permute(0, 3, 1, 2).float() / 255
    strong = Augmentation(other_people=1.0)

    varied = augment(frame.expand(3, -1, -1, -1), strong, np.random.default_rng(2))

    assert torch.equal(varied[0], varied[1])
    assert not torch.equal(varied[:1], frame)
    assert varied.min() >= 0
    assert varied.max() <= 1


def test_transform_shows_at_u_what_was_at_the_affine_of_u() -> None:
    size = 33
    affine = random_affine(1, np.random.default_rng(3), shift=0.05)
    axis = torch.linspace(-1, 1, size)
    positions = torch.stack([axis.expand(size, size), axis[:, None].expand(size, size)])

    shown = transform(positions.unsqueeze(0), affine)[0]  # an image of its own coordinates

    expected = torch.einsum("ij,jhw->ihw", affine[0, :, :2], positions)
    expected = expected + affine[0, :, 2, None, None]
    inside = (expected.abs() < 0.99).all(dim=0)
    assert inside.float().mean() > 0.5
    assert_close(shown[:, inside], expected[:, inside], atol=1e-5, rtol=0)
