"""Sound in sync with the picture, measured by the start of a tone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from numpy.typing import NDArray
from support.movies import shades, video_stream

from motioncast.media import MediaError, open_sound, read_video, write_video

RATE = 44_100


def tone(seconds: float, begins: float, channels: int = 1) -> NDArray[np.float32]:
    """Returns silence, then 440 Hz: (channels, samples)."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.where(time < begins, 0, 0.5 * np.sin(2 * np.pi * 440 * time))
    return np.repeat(wave[None].astype(np.float32), channels, axis=0)


def write_talk(
    path: Path,
    samples: NDArray[np.float32],
    frames: int = 50,
    codec: str = "pcm_s16le",
    picture_from: float = 0.0,
    sound_from: float = 0.0,
    gap_at: float | None = None,
    gap: float = 0.0,
) -> Path:
    """Writes video at 25 frames/s with sound; either may start late, the sound may have a gap."""
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w") as container:
        pixels = "yuvj420p" if path.suffix == ".avi" else "yuv420p"
        picture_codec = "mjpeg" if path.suffix == ".avi" else "libx264"
        video = video_stream(container, picture_codec, (16, 16), pixels)
        audio = container.add_stream(codec, rate=RATE, layout=layout)
        assert isinstance(audio, AudioStream)
        packets: list[Any] = []
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(shades(20)[index % 20], format="rgb24")
            frame.pts = index + round(25 * picture_from)
            frame.time_base = Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        for at in range(0, samples.shape[1], 1024):
            piece = np.ascontiguousarray(samples[:, at : at + 1024])
            sound = av.AudioFrame.from_ndarray(piece, "fltp", layout)
            sound.sample_rate = RATE
            late = gap if gap_at is not None and at >= gap_at * RATE else 0.0
            sound.pts = at + round((sound_from + late) * RATE)
            sound.time_base = Fraction(1, RATE)
            packets += audio.encode(sound)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def heard(path: Path) -> tuple[float, float]:
    """Returns the start of a tone in a file and the length of its sound, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=stream.rate)
        start, parts = None, []
        for frame in container.decode(stream):
            if start is None and frame.time is not None:
                start = frame.time
            parts += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    wave = np.concatenate(parts)
    assert start is not None
    loud = np.flatnonzero(np.abs(wave) > 0.1)
    begins = start + float(loud[0]) / stream.rate if len(loud) else np.inf
    return begins, start + len(wave) / stream.rate


def kept(tmp_path: Path, talk: Path, skip: int = 0, frames: int = 50) -> tuple[float, float]:
    """Writes a talk's frames from some frame on with its sound; returns `heard` of the result."""
    out = tmp_path / "out.mp4"
    with read_video(talk, 16, limit=skip + frames) as video:
        pictures = list(video.frames)[skip:]
        sound = open_sound(talk, video.start + skip / video.frame_rate)
        assert sound is not None
        with write_video(out, video.frame_rate, sound=sound) as writer:
            for picture in pictures:
                writer.write(picture)
        sound.close()
        assert sound.problem is None
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert container.streams.video[0].frames == len(pictures)
    return heard(out)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.mp4", "aac"), ("a.avi", "pcm_s16le")]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_is_kept_in_step(tmp_path: Path, name: str, codec: str, channels: int) -> None:
    talk = write_talk(tmp_path / name, tone(2, begins=1.2, channels=channels), codec=codec)
    begins, length = kept(tmp_path, talk)
    assert begins == pytest.approx(1.2, abs=0.025)
    assert length == pytest.approx(2, abs=0.05)


def test_sound_of_a_part_begins_with_its_first_frame(tmp_path: Path) -> None:
    talk = write_talk(tmp_path / "a.mkv", tone(2, begins=1.2))
    begins, length = kept(tmp_path, talk, skip=20, frames=25)  # 0.8 s to 1.8 s
    assert begins == pytest.approx(0.4, abs=0.025)
    assert length == pytest.approx(1, abs=0.05)


def test_sound_that_begins_later_or_earlier_stays_where_it_was(tmp_path: Path) -> None:
    later = write_talk(tmp_path / "a.mkv", tone(1, begins=0), sound_from=0.5)
    assert kept(tmp_path, later)[0] == pytest.approx(0.5, abs=0.025)
    earlier = write_talk(tmp_path / "b.mkv", tone(2, begins=1.2), picture_from=0.4)
    assert kept(tmp_path, earlier)[0] == pytest.approx(0.8, abs=0.025)


def test_a_gap_in_the_sound_is_silent_and_moves_nothing(tmp_path: Path) -> None:
    talk = write_talk(tmp_path / "a.mkv", tone(1.5, begins=1.0), gap_at=0.5, gap=0.4)
    assert kept(tmp_path, talk)[0] == pytest.approx(1.4, abs=0.03)


def test_sound_that_ends_early_is_followed_by_silence(tmp_path: Path) -> None:
    talk = write_talk(tmp_path / "a.mkv", tone(0.8, begins=0.2))
    begins, length = kept(tmp_path, talk)
    assert begins == pytest.approx(0.2, abs=0.025)
    assert length == pytest.approx(2, abs=0.05)


def test_a_video_without_sound_has_none(tmp_path: Path) -> None:
    with write_video(tmp_path / "a.mp4", 25) as video:
        video.write(shades(2)[1])
    assert open_sound(tmp_path / "a.mp4") is None


def test_sound_without_a_decoder_is_a_sentence_and_costs_no_picture(tmp_path: Path) -> None:
    talk = write_talk(tmp_path / "a.avi", tone(1, begins=0), frames=25, codec="mp3")
    with read_video(talk, 16) as video:
        whole = list(video.frames)
    data = bytearray(talk.read_bytes())
    header = data.index(b"auds")
    data[header + 4 : header + 8] = bytes(4)
    at = data.index(b"strf", header) + 8  # WAVEFORMATEX: the sound's codec
    data[at : at + 2] = b"\x34\x12"
    talk.write_bytes(data)
    with pytest.raises(MediaError, match=r"^a\.avi: its sound cannot be decoded$"):
        open_sound(talk)
    with read_video(talk, 16) as video:
        np.testing.assert_array_equal(list(video.frames), whole)


def test_damaged_sound_is_as_long_as_it_should_be(tmp_path: Path) -> None:
    talk = write_talk(tmp_path / "a.mkv", tone(2, begins=0.0), codec="flac")
    data = bytearray(talk.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    talk.write_bytes(data)
    sound = open_sound(talk)
    assert sound is not None
    samples = sound.read(2 * RATE)
    sound.close()
    assert samples.shape == (1, 2 * RATE)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
def test_what_cannot_be_read_has_no_sound_and_says_so() -> None:
    with pytest.raises(MediaError, match="mem: its sound cannot be decoded"):
        open_sound(Path("/proc/self/mem"))
