"""A truncated file is an error, not a shorter video, even if little marks its end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from support.movies import Frame, video_stream

from motioncast.media import MediaError, read_video

COUNT = 8
# name -> codec, its options and pixels
FILES: dict[str, tuple[str, dict[str, str], str]] = {
    "one.h264": ("libx264", {}, "yuv420p"),
    "slices.h264": ("libx264", {"x264-params": "slices=4:bframes=0"}, "yuv420p"),
    "baseline.h264": ("libx264", {"profile": "baseline"}, "yuv420p"),
    "one.hevc": ("libx265", {"x265-params": "log-level=none:hash=1"}, "yuv420p"),
    "slices.hevc": ("libx265", {"x265-params": "log-level=none:slices=3:ctu=16"}, "yuv420p"),
    "a.y4m": ("wrapped_avframe", {}, "yuv420p"),
    "a.ivf": ("libvpx", {}, "yuv420p"),
    "a.m1v": ("mpeg1video", {"bf": "2"}, "yuv420p"),
    "a.m2v": ("mpeg2video", {"bf": "2"}, "yuv420p"),
    "a.mjpeg": ("mjpeg", {}, "yuvj420p"),
    "a.flv": ("libx264", {}, "yuv420p"),
    "a.wmv": ("wmv2", {}, "yuv420p"),
    "a.mxf": ("mpeg2video", {}, "yuv420p"),
    "a.ts": ("libx264", {"bf": "2"}, "yuv420p"),
    "a.mpg": ("mpeg2video", {}, "yuv420p"),
    "a.obu": ("libsvtav1", {"preset": "10"}, "yuv420p"),
    "live.webm": ("libvpx", {}, "yuv420p"),
    "index_last.mp4": ("libx264", {}, "yuv420p"),
}
SMALL = 48  # the last bytes may be padding


def made(folder: Path, name: str, frames: Sequence[Frame] | None = None) -> Path:
    """Writes a file with COUNT frames of noise, 96 x 64."""
    codec, options, pixels = FILES[name]
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    noise = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 12, 3), np.uint8)
    given = [noise[n].repeat(8, axis=0).repeat(8, axis=1) for n in range(COUNT)]
    live = {"live": "1"} if name.startswith("live") else {}
    with av.open(str(folder / name), "w", container_options=live) as container:
        stream = video_stream(container, codec, (64, 96), pixels, **options)
        for number, image in enumerate(given if frames is None else frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    return folder / name


def count(path: Path) -> int:
    with read_video(path, 16) as video:
        return len(list(video.frames))


def outcome(path: Path) -> str:
    try:
        return str(count(path))
    except MediaError as error:
        return str(error)


def cut(path: Path, length: int) -> Path:
    part = path.with_name(f"part{path.suffix}")
    part.write_bytes(path.read_bytes()[:length])
    return part


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_has_all_its_frames_and_a_part_is_truncated(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    size = path.stat().st_size
    assert count(path) == COUNT
    rng = np.random.default_rng(1)
    lengths = [size // 2 - 1, size - SMALL, *rng.integers(size // 4, size - SMALL, 14).tolist()]
    said = [outcome(cut(path, length)) for length in lengths]
    told = re.compile(r"part\.\w+: (truncated|not a readable video)")
    assert sum(told.fullmatch(one) is not None for one in said) >= 14, said  # some are between


def test_a_raw_stream_that_ends_between_two_pictures_is_shorter(tmp_path: Path) -> None:
    """Without a declared length, a file of whole pictures is complete."""
    path = made(tmp_path, "a.y4m")
    frame = len(b"FRAME\n") + 96 * 64 * 3 // 2
    assert count(cut(path, path.stat().st_size - frame)) == COUNT - 1


@pytest.mark.parametrize(
    ("space", "size"),  # bytes for 5 x 3 pixels, by hand: luma and two chroma planes
    [
        ("420jpeg", 15 + 2 * 6),
        ("420p10", 2 * (15 + 2 * 6)),
        ("422", 15 + 2 * 9),
        ("411", 15 + 2 * 6),
        ("444", 45),
        ("444alpha", 60),
        ("mono", 15),
        ("mono16", 30),
    ],
)
def test_a_picture_of_y4m_has_as_many_bytes_as_its_header_says(
    tmp_path: Path, space: str, size: int
) -> None:
    header = f"YUV4MPEG2 W5 H3 F25:1 Ip A1:1 C{space}\n".encode()
    frame = b"FRAME\n" + bytes([16]) * size
    (tmp_path / "a.y4m").write_bytes(header + 3 * frame)
    assert count(tmp_path / "a.y4m") == 3
    for less in (1, size, size + 3):
        with pytest.raises(MediaError, match=r"^part\.y4m: truncated$"):
            count(cut(tmp_path / "a.y4m", len(header + 3 * frame) - less))


def test_raw_dv_has_frames_of_one_size(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 18, 22, 3), np.uint8)
    with av.open(str(tmp_path / "a.dv"), "w", format="dv") as container:
        stream = video_stream(container, "dvvideo", (576, 720), "yuv420p")
        for picture in pictures:
            large = picture.repeat(33, axis=1)[:, :720].repeat(32, axis=0)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(large), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    size = (tmp_path / "a.dv").stat().st_size
    assert size == 3 * 144_000  # IEC 61834-2: twelve sequences of 150 blocks of 80 bytes
    assert count(tmp_path / "a.dv") == 3
    assert count(cut(tmp_path / "a.dv", 2 * 144_000)) == 2
    for length in (size - 1, size - 80, size - 100_000):
        with pytest.raises(MediaError, match=r"^part\.dv: truncated$"):
            count(cut(tmp_path / "a.dv", length))


def test_a_recording_of_a_broadcast_may_stop_within_a_picture_but_not_within_a_packet(
    tmp_path: Path,
) -> None:
    path = made(tmp_path, "a.ts")
    packets = path.stat().st_size // 188
    found = [count(cut(path, 188 * number)) for number in range(packets // 2, packets + 1)]
    assert found == sorted(found)  # never more frames from a shorter file
    assert found[-1] == COUNT
    with pytest.raises(MediaError, match=r"^part\.ts: truncated$"):
        count(cut(path, 188 * (packets - 1) + 90))


def test_what_stands_behind_a_file_does_not_make_it_a_part(tmp_path: Path) -> None:
    for name in ("a.flv", "a.mxf", "live.webm", "a.mpg", "index_last.mp4"):
        path = made(tmp_path, name)
        path.write_bytes(path.read_bytes() + bytes(1000))
        assert count(path) == COUNT, name


@pytest.mark.parametrize("name", ["slices.h264", "one.h264"])
def test_a_slice_that_lacks_its_second_half_is_damage(tmp_path: Path, name: str) -> None:
    """Errors in slices decoded in parallel must not go unnoticed."""
    data = made(tmp_path, name).read_bytes()
    units = [at for at in range(len(data) - 4) if data[at : at + 3] == b"\0\0\1"]
    slices = [n for n, at in enumerate(units[:-1]) if data[at + 3] & 31 == 1]  # of no key frame
    for number in slices[:6]:
        start, end = units[number], units[number + 1]
        (tmp_path / "a.h264").write_bytes(data[: (start + end) // 2] + data[end:])
        with pytest.raises(MediaError, match=r"^a\.h264: damaged$"):
            count(tmp_path / "a.h264")


def test_a_recording_without_its_index_is_truncated(tmp_path: Path) -> None:
    """A camera that loses power has written `ftyp` and `mdat`, whose length is still zero."""
    data = made(tmp_path, "index_last.mp4").read_bytes()
    at = data.index(b"mdat") - 4
    end = data.index(b"moov") - 4
    for length in (b"\0\0\0\0", data[at : at + 4]):
        (tmp_path / "a.mp4").write_bytes(data[:at] + length + data[at + 4 : end])
        with pytest.raises(MediaError, match=r"^a\.mp4: truncated$"):
            count(tmp_path / "a.mp4")
