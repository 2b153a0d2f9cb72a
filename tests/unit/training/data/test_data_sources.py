"""Which files of a folder are read, damage that decoders would hide, and shared options."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support.videos import Frames, gradient_frames, write_png, write_video

from motioncast.data.arguments import DataOptions, data_source, open_data
from motioncast.data.command_line import Program
from motioncast.data.sources import DataSource, open_clips
from motioncast.data.video_folder import DamagedVideoError, read_clip

NOISE = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def nemo(tmp_path: Path) -> Path:
    """A folder of wide videos, like UvA-Nemo."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for index, name in enumerate(("001_deliberate", "001_spontaneous", "002_deliberate")):
        write_movie(folder / f"{name}.mp4", gradient_frames(index + 3, 36, 64), "libx264")
    return folder


def test_a_split_list_selects_by_name_or_stem(nemo: Path, tmp_path: Path) -> None:
    names = tmp_path / "train.txt"
    names.write_text("# training\r\n\r\n002_deliberate\r\n001_deliberate.mp4 \r\n")

    clips = open_clips(DataSource(nemo, names), 16, tmp_path / "cache")

    assert clips.names == ("001_deliberate.mp4", "002_deliberate.mp4")
    assert clips.lengths().tolist() == [3, 5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"001_deliberate\n007_posed\n", r"train\.txt names '007_posed', which is not in .*videos"),
        (b"# nothing\n", r"train\.txt names no file"),
        (b"\xff\xfe\x00", r"train\.txt is not UTF-8 text"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_by_name(
    nemo: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    names = tmp_path / "train.txt"
    names.write_bytes(content)

    with pytest.raises((FileNotFoundError, ValueError), match=message):
        open_clips(DataSource(nemo, names), 16, tmp_path / "cache")


def test_a_missing_list_is_named(nemo: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.txt is not a file"):
        open_clips(DataSource(nemo, tmp_path / "missing.txt"), 16, tmp_path / "cache")


def test_a_stem_of_two_files_is_ambiguous(nemo: Path, tmp_path: Path) -> None:
    write_video(nemo / "001_deliberate.mkv", gradient_frames(2, 16, 16))
    names = tmp_path / "train.txt"
    names.write_text("001_deliberate\n")

    with pytest.raises(
        ValueError, match=r"several files: 001_deliberate\.mkv, 001_deliberate\.mp4"
    ):
        open_clips(DataSource(nemo, names), 16, tmp_path / "cache")


def test_another_list_or_size_has_another_fingerprint(nemo: Path, tmp_path: Path) -> None:
    names = tmp_path / "train.txt"
    names.write_text("001_deliberate\n")
    sources = [(DataSource(nemo), 16), (DataSource(nemo, names), 16), (DataSource(nemo), 32)]

    prints = {open_clips(data, size, tmp_path).fingerprint for data, size in sources * 2}

    assert len(prints) == 3


def test_strips_gifs_and_movies_are_clips_of_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    frames = gradient_frames(4, 16, 16)
    write_png(folder / "strip.png", np.concatenate(list(frames), axis=1))
    write_gif(folder / "palette.gif", frames)
    write_video(folder / "movie.mkv", frames)

    clips = open_clips(DataSource(folder), 16, tmp_path / "cache")

    assert clips.names == ("movie.mkv", "palette.gif", "strip.png")
    for index in range(3):
        assert np.array_equal(clips.clip(index), frames)


@pytest.mark.parametrize("optimize", [False, True])  # whole frames, or only changes
def test_a_gif_is_read_as_pillow_reads_it(tmp_path: Path, optimize: bool) -> None:
    frames = np.zeros((5, 32, 32, 3), dtype=np.uint8)
    for index in range(5):  # a square moving in front of a colour gradient
        frames[index, :, :, 1] = np.arange(32) * 4
        frames[index, 8:16, 4 * index : 4 * index + 8] = (200, 40 * index, 30)
    write_gif(tmp_path / "moving.gif", frames, optimize=optimize)

    with Image.open(tmp_path / "moving.gif") as image:
        expected = []
        for index in range(5):
            image.seek(index)
            expected.append(np.asarray(image.convert("RGB")))
    assert np.array_equal(read_clip(tmp_path / "moving.gif", 32), np.stack(expected))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.avi", "mpeg4"),
        ("a.gif", "gif"),
        ("a.png", "png"),
    ],
)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_video_that_is_cut_off_is_damaged(
    tmp_path: Path, name: str, codec: str, share: float
) -> None:
    path = tmp_path / name
    if codec == "gif":
        write_gif(path, NOISE)
    elif codec == "png":
        write_png(path, np.concatenate(list(NOISE), axis=1))
    else:
        write_movie(path, NOISE, codec)
    assert len(read_clip(path, 32)) == 12
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(DamagedVideoError, match=rf"a\{path.suffix}: "):
        read_clip(path, 32)


def test_a_frame_that_the_decoder_would_conceal_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    write_movie(path, NOISE, "mpeg4")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(byte ^ 0xFF for byte in content[middle : middle + 64])
    path.write_bytes(content)

    with pytest.raises(DamagedVideoError, match=r"a\.avi: .*damaged"):
        read_clip(path, 32)


def test_every_program_takes_the_same_options(
    nemo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (nemo / "003_broken.mp4").write_bytes(b"no video")
    read: list[DataOptions] = []
    Program("program", DataOptions, lambda options, _: read.append(options), None)(
        ["--videos", str(nemo), "--skip-damaged", "--cache", str(tmp_path), "--camera", "aux1"]
    )
    (options,) = read

    clips = open_data(options, 16)

    assert data_source(options) == DataSource(nemo, camera="aux1")
    assert len(clips) == 3
    assert capsys.readouterr().out == "skipped, damaged: 003_broken.mp4\n"


def write_movie(path: Path, frames: Frames, codec: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def write_gif(path: Path, frames: Frames, optimize: bool = False) -> None:
    images = [
        Image.fromarray(frame).convert("P", palette=Image.Palette.ADAPTIVE) for frame in frames
    ]
    images[0].save(path, save_all=True, append_images=images[1:], optimize=optimize, duration=40)
