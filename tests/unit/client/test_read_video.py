from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from motioncast.client import InvalidRequestError, MediaError, Pixels
from motioncast.client.video import read_video, write_video


def clip(path: Path, frames: list[Pixels], rate: float = 25.0) -> Path:
    with write_video(path, rate, lossless=True) as video:
        for frame in frames:
            video.write(frame)
    return path


def plain(height: int, width: int, colour: tuple[int, int, int] = (10, 200, 30)) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


def noise(count: int, height: int, width: int) -> list[Pixels]:
    generator = np.random.default_rng(0)
    return list(generator.integers(0, 256, (count, height, width, 3), np.uint8))


def frames_of(path: Path, size: int, limit: int | None = None) -> list[Pixels]:
    with read_video(path, size, limit=limit) as video:
        return list(video.frames)


def turn_quarter_clockwise(path: Path) -> None:
    """Rewrites the display matrix of the track header (ISO/IEC 14496-12, 8.3.2)."""
    data = path.read_bytes()
    unit = (
        b"\x00\x01\x00\x00" + 12 * b"\x00" + b"\x00\x01\x00\x00" + 12 * b"\x00" + b"@\x00\x00\x00"
    )
    header = data.index(b"tkhd")
    start = data.index(unit, header)
    one, minus_one, zero = b"\x00\x01\x00\x00", b"\xff\xff\x00\x00", 4 * b"\x00"
    turn = zero + one + zero + minus_one + zero + zero + zero + zero + b"@\x00\x00\x00"
    path.write_bytes(data[:start] + turn + data[start + len(turn) :])


def test_frames_of_the_right_size_come_back_pixel_for_pixel(tmp_path: Path) -> None:
    frames = noise(7, 16, 16)
    path = clip(tmp_path / "clip.mkv", frames)
    np.testing.assert_array_equal(frames_of(path, 16), frames)


@pytest.mark.parametrize("rate", [10.0, 25.0, 30000 / 1001, 60.0])
def test_the_frame_rate_is_kept(tmp_path: Path, rate: float) -> None:
    path = clip(tmp_path / "clip.mp4", noise(3, 16, 16), rate)
    with read_video(path, 16) as video:
        assert video.frame_rate == pytest.approx(rate, abs=1e-9)


def test_a_wide_video_is_cropped_to_its_centre(tmp_path: Path) -> None:
    frame = plain(16, 32, (255, 0, 0))
    frame[:, 8:24] = (0, 0, 255)
    path = clip(tmp_path / "clip.mkv", [frame])
    np.testing.assert_array_equal(frames_of(path, 16), [plain(16, 16, (0, 0, 255))])


def test_a_high_video_is_cropped_to_its_centre(tmp_path: Path) -> None:
    frame = plain(32, 16, (255, 0, 0))
    frame[8:24] = (0, 0, 255)
    path = clip(tmp_path / "clip.mkv", [frame])
    np.testing.assert_array_equal(frames_of(path, 16), [plain(16, 16, (0, 0, 255))])


def test_reduction_averages_what_is_finer_than_a_pixel(tmp_path: Path) -> None:
    checkerboard = np.indices((64, 64)).sum(axis=0) % 2 * 255
    frame = np.repeat(checkerboard[..., np.newaxis], 3, axis=2).astype(np.uint8)
    (small,) = frames_of(clip(tmp_path / "clip.mkv", [frame]), 16)
    assert np.abs(small[2:-2, 2:-2].astype(float) - 127.5).max() < 2


def test_a_turned_video_comes_out_upright(tmp_path: Path) -> None:
    frame = plain(16, 16, (0, 0, 0))
    frame[0, :] = (255, 255, 255)  # the top row; a quarter clockwise puts it at the right
    path = clip(tmp_path / "clip.mp4", [frame])
    turn_quarter_clockwise(path)
    upright = plain(16, 16, (0, 0, 0))
    upright[:, -1] = (255, 255, 255)
    np.testing.assert_array_equal(frames_of(path, 16), [upright])


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    frame = plain(16, 16, (255, 0, 0))
    frame[:, 4:12] = (0, 0, 255)  # with pixels twice as wide as high: the centre square
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264rgb", 25, options={"qp": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "rgb24"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    (square,) = frames_of(path, 16)
    np.testing.assert_array_equal(square[:, 1:-1], plain(16, 14, (0, 0, 255)))


def test_the_limit_ends_the_video_early(tmp_path: Path) -> None:
    frames = noise(7, 16, 16)
    path = clip(tmp_path / "clip.mkv", frames)
    np.testing.assert_array_equal(frames_of(path, 16, limit=3), frames[:3])


def test_a_gif_is_a_video(tmp_path: Path) -> None:
    from PIL import Image

    images = [Image.fromarray(plain(16, 16, colour)) for colour in ((255, 0, 0), (0, 0, 255))]
    images[0].save(tmp_path / "clip.gif", save_all=True, append_images=images[1:], duration=100)
    with read_video(tmp_path / "clip.gif", 16) as video:
        assert video.frame_rate == 10
        colours = [frame[0, 0].tolist() for frame in video.frames]
    assert colours == [[255, 0, 0], [0, 0, 255]]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_part_of_a_file_is_no_shorter_video(tmp_path: Path, suffix: str, share: float) -> None:
    path = clip(tmp_path / f"clip{suffix}", noise(100, 32, 32))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaError, match=rf"^clip{suffix}: (truncated|damaged)"):
        frames_of(path, 32)


@pytest.mark.parametrize(
    "appended",
    [bytes(1000), np.random.default_rng(1).bytes(1000), b"\0\0\x01\x0a" + bytes(99) + b"SEFT"],
    ids=["zeros", "noise", "a phone's trailer"],
)
def test_what_is_appended_to_a_file_cuts_nothing_off(tmp_path: Path, appended: bytes) -> None:
    path = clip(tmp_path / "clip.mp4", noise(5, 32, 32))
    path.write_bytes(path.read_bytes() + appended)
    assert len(frames_of(path, 32)) == 5


def test_a_hole_in_the_file_is_an_error_and_no_picture(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mp4", noise(20, 32, 32))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"^clip\.mp4: damaged$"):
        frames_of(path, 32)


@pytest.mark.parametrize("content", [b"no video at all", bytes(5000)])
def test_what_is_no_video_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=r"^clip\.mp4: not a readable video$"):
        read_video(tmp_path / "clip.mp4", 16)


def test_a_sound_file_holds_no_video(tmp_path: Path) -> None:
    with av.open(tmp_path / "sound.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", 8000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        samples.sample_rate = 8000
        container.mux(stream.encode(samples))
    with pytest.raises(MediaError, match=r"^sound\.wav: contains no video$"):
        read_video(tmp_path / "sound.wav", 16)


def test_a_video_without_frames_is_said_to_have_none(tmp_path: Path) -> None:
    with av.open(tmp_path / "clip.avi", "w") as container:
        stream = container.add_stream("mjpeg", 25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuvj420p"
        container.start_encoding()
    with pytest.raises(MediaError, match=r"^clip\.avi: contains no frame$"):
        read_video(tmp_path / "clip.avi", 16)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"missing\.mp4: no such file$"):
        read_video(tmp_path / "missing.mp4", 16)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r": not a file$"):
        read_video(tmp_path, 16)


@pytest.mark.parametrize(("size", "limit", "field"), [(0, None, "size"), (16, 0, "limit")])
def test_a_size_or_a_limit_of_nothing_is_refused(
    tmp_path: Path, size: int, limit: int | None, field: str
) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^{field}: 0 is below 1$"):
        read_video(tmp_path / "clip.mp4", size, limit=limit)


def test_reading_on_after_the_block_is_an_error(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mkv", noise(5, 16, 16))
    with read_video(path, 16) as video:
        next(video.frames)
    with pytest.raises(MediaError, match="the file was closed"):
        next(video.frames)
