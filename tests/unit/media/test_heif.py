"""HEIC and AVIF photographs as phones write them: tiled, rotated, with opacity."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import PIL.features
import PIL.Image
import pytest
from numpy.typing import NDArray
from support.heic import auxc, coded, grid, imir, irot, write_heic

from motioncast.media import BACKGROUND, MediaError, read_image, read_video


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Returns a picture with different corners."""
    rows, columns = np.indices((height, width))
    return np.stack([2 * rows, 2 * columns, 0 * rows + 90], axis=-1).astype(np.uint8)


def assert_near(shown: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).max() <= 3  # rounded to Y'CbCr and back


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([], lambda p: p),
        ([irot(1)], np.rot90),  # a quarter counter-clockwise
        ([irot(3)], lambda p: np.rot90(p, 3)),
        ([imir(1)], lambda p: p[:, ::-1]),
        ([irot(1), imir(0)], lambda p: np.rot90(p)[::-1]),
    ],
)
def test_a_photograph_is_read_upright(tmp_path: Path, turns: list[bytes], expected: object) -> None:
    stored = picture(64, 96)
    path = write_heic(tmp_path / "a.heic", coded(tmp_path / "a.mp4", stored, *turns))
    assert callable(expected)
    assert_near(read_image(path, None), np.ascontiguousarray(expected(stored)))


def test_tiles_are_put_together_and_cut_to_size(tmp_path: Path) -> None:
    whole = picture(128, 192)
    tiles = [
        coded(tmp_path / f"{top}{left}.mp4", whole[top : top + 64, left : left + 64])
        for top in (0, 64)
        for left in (0, 64, 128)
    ]
    path = write_heic(tmp_path / "a.heic", grid(2, 3, 180, 120, irot(2)), *tiles)
    assert_near(read_image(path, None), whole[:120, :180][::-1, ::-1])


def test_opacity_of_its_own_shows_the_background(tmp_path: Path) -> None:
    stored = picture(64, 64)
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:, 32:] = 255
    opacity = coded(tmp_path / "m.mp4", mask, auxc())
    opacity.refers = (b"auxl", (1,))
    path = write_heic(tmp_path / "a.heic", coded(tmp_path / "a.mp4", stored), opacity)
    shown = read_image(path, None)
    assert (shown[:, :32] == BACKGROUND).all()
    assert_near(shown[:, 32:], stored[:, 32:])


def test_a_photograph_is_a_video_of_one_frame(tmp_path: Path) -> None:
    stored = picture(64, 64)
    path = write_heic(tmp_path / "a.heic", coded(tmp_path / "a.mp4", stored))
    with read_video(path, 64) as video:
        (shown,) = video.frames
    assert_near(shown, stored)


@pytest.mark.skipif(not PIL.features.check("avif"), reason="Pillow writes no AVIF here")
def test_avif_is_read_with_its_opacity(tmp_path: Path) -> None:
    stored = np.zeros((64, 64, 4), np.uint8)
    stored[...] = (255, 0, 255, 0)
    stored[:, 32:] = (40, 90, 140, 255)
    PIL.Image.fromarray(stored).save(tmp_path / "a.avif", quality=100, subsampling="4:4:4")
    shown = read_image(tmp_path / "a.avif", None).astype(int)
    assert np.abs(shown[:, :28] - BACKGROUND).max() <= 3
    assert np.abs(shown[:, 36:] - (40, 90, 140)).max() <= 4


@pytest.mark.skipif(not PIL.features.check("avif"), reason="Pillow writes no AVIF here")
def test_moving_avif_is_a_video_and_its_first_frame_a_still(tmp_path: Path) -> None:
    images = [PIL.Image.new("RGB", (64, 64), (40 * i, 40 * i, 40 * i)) for i in range(1, 5)]
    path = tmp_path / "a.avif"
    images[0].save(path, save_all=True, append_images=images[1:], duration=100, quality=100)
    assert abs(int(read_image(path, None)[0, 0, 0]) - 40) <= 3
    with read_video(path, 64) as video:
        assert video.frame_rate == 10
        assert [round(float(frame.mean()) / 40) for frame in video.frames] == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_broken_is_one_sentence(tmp_path: Path, seed: int) -> None:
    whole = write_heic(tmp_path / "a.heic", coded(tmp_path / "a.mp4", picture(64, 64)))
    data = bytearray(whole.read_bytes())
    random = np.random.default_rng(seed)
    for _ in range(8):
        data[int(random.integers(16, min(len(data), 600)))] = int(random.integers(256))
    whole.write_bytes(data)
    with suppress(MediaError):  # anything else fails the test
        read_image(whole, 32)


def test_ffmpeg_decodes_what_these_tests_write(tmp_path: Path) -> None:
    path = write_heic(tmp_path / "a.heic", coded(tmp_path / "a.mp4", picture(64, 64)))
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).width == 64
