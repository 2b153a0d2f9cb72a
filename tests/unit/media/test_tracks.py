"""Selection of a file's track, and files with unusual names and tags."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from support.movies import Frame, shade, shades, values, video_stream, write_movie

from motioncast.media import MediaError, read_video, shown


def read(path: Path) -> list[Frame]:
    with read_video(path, 16) as video:
        return list(video.frames)


def two_tracks(path: Path, first: list[Frame], second: list[Frame], default: int | None) -> None:
    """Writes two video tracks, one of them marked default."""
    with av.open(str(path), "w") as container:
        streams = [
            video_stream(container, "libx264", (16, 16), "yuv444p", qp="0", bf="0")
            for _ in range(2)
        ]
        for number, stream in enumerate(streams):
            stream.disposition = Disposition.default if number == default else Disposition(0)
        packets = []
        for stream, frames in zip(streams, (first, second), strict=True):
            for index, image in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = index
                packets += stream.encode(frame)
            packets += stream.encode(None)
        for packet in sorted(packets, key=lambda packet: (packet.pts or 0) * packet.time_base):
            container.mux(packet)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("default", [0, 1])
def test_a_track_of_one_frame_gives_way_to_one_that_moves(
    tmp_path: Path, suffix: str, default: int
) -> None:
    two_tracks(tmp_path / f"a{suffix}", [shade(200)], shades(8), default)
    assert values(read(tmp_path / f"a{suffix}")) == list(range(8))


def test_the_default_track_is_shown(tmp_path: Path) -> None:
    two_tracks(tmp_path / "a.mkv", [shade(200)] * 8, shades(8), 1)
    assert values(read(tmp_path / "a.mkv")) == list(range(8))


def test_a_cover_alone_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp3"), "w") as container:
        sound = container.add_stream("mp3", rate=44_100, layout="mono")
        cover = video_stream(container, "png", (16, 16), "rgb24")
        cover.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(shade(90), format="rgb24")
        packets = [*cover.encode(frame), *cover.encode(None)]
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), "fltp", "mono")
        samples.sample_rate = 44_100
        container.mux(packets)
        container.mux([*sound.encode(samples), *sound.encode(None)])
    with pytest.raises(MediaError, match=r"^a\.mp3: contains no video$"):
        read(tmp_path / "a.mp3")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.avi", "libx264"),
        ("a.avi", "mpeg4"),
        ("a.ts", "mpeg2video"),
        ("a.flv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.mpg", "mpeg2video"),
    ],
)
def test_frames_that_are_stored_in_another_order_stay_as_many(
    tmp_path: Path, name: str, codec: str
) -> None:
    with av.open(str(tmp_path / name), "w") as container:
        frames_between = {} if "vp9" in codec else {"bf": "2"}
        stream = video_stream(container, codec, (64, 64), "yuv420p", **frames_between)
        for image in shades(24):
            wide = np.ascontiguousarray(image.repeat(4, axis=0).repeat(4, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(wide, format="rgb24")))
        container.mux(stream.encode(None))
    with read_video(tmp_path / name, 16) as video:
        found = np.array(values(video.frames))
        assert (video.frame_rate, video.repeated, video.dropped) == (25, 0, 0)
    assert np.abs(found - np.arange(24)).max() <= 1  # loss from coding
    assert (np.diff(found) >= 0).all()


def test_a_vast_video_is_refused_unread(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "a.avi", shades(2), codec="mjpeg", pixels="yuvj444p")
    data = bytearray(path.read_bytes())
    at = data.index(b"strf") + 8  # BITMAPINFOHEADER: its width and height
    data[at + 4 : at + 12] = struct.pack("<II", 16_000, 16_000)
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"^a\.avi: (16000 x 16000 pixels exceed|damaged)"):
        read(path)


def test_a_title_of_any_encoding_does_no_harm(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "a.avi", shades(4), codec="mjpeg", pixels="yuvj444p")
    title = "日本語".encode("shift-jis")
    data = path.read_bytes()
    at = data.index(b"ISFT")  # the name of the writing program, which is replaced
    (length,) = struct.unpack("<I", data[at + 4 : at + 8])
    text = title.ljust(length, b"\0")[:length]
    path.write_bytes(data[:at] + b"INAM" + data[at + 4 : at + 8] + text + data[at + 8 + length :])
    assert values(read(path)) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["10:30 call.mp4", "-clip.mp4", "100%03d.mp4", "a'b?.mp4"])
def test_any_name_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_movie(tmp_path / "plain.mp4", shades(4)).rename(tmp_path / name)
    assert values(read(Path(name))) == [0, 1, 2, 3]


def test_a_name_of_undecodable_bytes_is_read_and_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "bad\udcff.mp4"
    try:
        write_movie(tmp_path / "plain.mp4", shades(4)).rename(path)
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    assert values(read(path)) == [0, 1, 2, 3]
    assert shown(path.name) == "bad\ufffd.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(MediaError, match=r"^bad\ufffd\.mp4: not a readable video$"):
        read(path)


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    write_movie(tmp_path / "a.mp4", shades(4))
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n")
    for name in ("list.ffconcat", "list.m3u8"):
        with pytest.raises(MediaError, match="not a readable video"):
            read(tmp_path / name)


def drop(path: Path, numbers: set[int]) -> None:
    """Empties frames of an AVI: chunks of zero bytes with a matching index."""
    data = path.read_bytes()
    movi = data.index(b"movi")
    chunks, at = [], movi + 4
    while data[at : at + 4] == b"00dc":
        (length,) = struct.unpack("<I", data[at + 4 : at + 8])
        chunks.append(data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    chunks = [b"" if i in numbers else chunk for i, chunk in enumerate(chunks)]
    body, index = b"movi", b""
    for chunk in chunks:
        index += struct.pack("<4sIII", b"00dc", 16 if chunk else 0, len(body), len(chunk))
        body += struct.pack("<4sI", b"00dc", len(chunk)) + chunk + b"\0" * (len(chunk) % 2)
    head = data[12 : movi - 8]
    whole = head + struct.pack("<4sI", b"LIST", len(body)) + body
    whole += struct.pack("<4sI", b"idx1", len(index)) + index
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", len(whole) + 4, b"AVI ") + whole)


@pytest.mark.parametrize("dropped", [{3, 7, 11}, {2, 3, 4}, {10, 11}])
def test_frames_without_bytes_repeat_the_one_before(tmp_path: Path, dropped: set[int]) -> None:
    path = write_movie(tmp_path / "a.avi", shades(12), codec="mjpeg", pixels="yuvj444p")
    drop(path, dropped)
    expected: list[int] = []
    for number in range(12):
        expected.append(expected[-1] if number in dropped else number)
    with read_video(path, 16) as video:
        assert values(video.frames) == expected
        assert video.repeated == len(dropped)


def test_held_frames_of_a_whole_file_are_not_missing(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 3.0]  # Matroska's last frame has no duration
    for name in ("a.mkv", "a.mp4"):
        path = write_movie(tmp_path / name, shades(4), times)
        with read_video(path, 16) as video:
            assert values(video.frames) == [0, 1, *[2] * 73, 3]
            assert (video.frame_rate, video.repeated) == (25, 72)


def test_the_last_frames_keep_their_times_though_the_decoder_holds_them_back(
    tmp_path: Path,
) -> None:
    frames = [shade(20 * index, 64, 64) for index in range(8)]
    times = [0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 1.0]
    path = write_movie(tmp_path / "a.mkv", frames, times, codec="libx265", pixels="yuv420p")
    with av.open(str(path)) as container:  # frames are reordered; some only arrive on flushing
        coded = [packet.pts or 0 for packet in container.demux() if packet.size]
        assert coded != sorted(coded)
    with read_video(path, 16) as video:
        assert len(list(video.frames)) == 26
        assert video.repeated == 18


def test_broadcasts_that_were_joined_play_one_after_the_other(tmp_path: Path) -> None:
    for name, start in (("a.ts", 0.0), ("b.ts", 500.0), ("c.ts", 20.0)):
        times = [start + index / 25 for index in range(10)]
        frames = [
            np.ascontiguousarray(image.repeat(4, axis=0).repeat(4, axis=1)) for image in shades(10)
        ]
        write_movie(tmp_path / name, frames, times, pixels="yuv420p")
    joined = b"".join((tmp_path / f"{letter}.ts").read_bytes() for letter in "abc")
    (tmp_path / "joined.ts").write_bytes(joined)
    with read_video(tmp_path / "joined.ts", 16) as video:
        found = values(video.frames)
        assert video.frame_rate == 25
    assert found == [*range(10)] * 3


def test_a_browsers_recording_keeps_its_duration(tmp_path: Path) -> None:
    noise = [0, 3, -4, 2, -1, 4, -3, 0, 1, -2]
    times = [(33.3333 * i + noise[i % 10]) / 1000 for i in range(60)]
    del times[20:30]  # no motion for a third of a second
    path = tmp_path / "a.webm"
    write_movie(path, [shade(4 * i) for i in range(50)], times, codec="libvpx", pixels="yuv420p")
    with read_video(path, 16) as video:
        assert video.frame_rate == pytest.approx(30)
        assert len(list(video.frames)) == 60
        assert video.repeated == 10


def test_frames_are_counted_without_being_looked_at(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "a.mkv", shades(4), [0.0, 0.04, 0.08, 0.2])
    with read_video(path, 16) as video:
        assert list(video.count()) == [1, 2, 3, 4, 5, 6]
        assert video.repeated == 2
        assert list(video.frames) == []


@pytest.mark.parametrize("suffix", [".ogv", ".ivf"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.97])
def test_a_part_of_a_file_of_pages_is_no_shorter_video(
    tmp_path: Path, suffix: str, kept: float
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), np.uint8)
    path = write_movie(tmp_path / f"a{suffix}", list(noise), codec="libvpx", pixels="yuv420p")
    assert read(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(MediaError, match=rf"^a{suffix}: (truncated|damaged|not a readable video)$"):
        read(path)
