"""An unsupported file is refused with an error that names its type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from motioncast.media import MediaError, read_image, read_video


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"\xff\x0a\x00", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"<!doctype HTML><title>404</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ],
)
def test_what_it_is_stands_behind(tmp_path: Path, data: bytes, kind: str) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(data)
    with pytest.raises(MediaError) as refused:
        read_image(path, 16)
    assert str(refused.value) == f"face.png: not a readable image ({kind})"


def test_an_empty_video_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").touch()
    with pytest.raises(MediaError, match=r"^talk\.mp4: not a readable video \(empty file\)$"):
        read_video(tmp_path / "talk.mp4", 16)


def test_a_drawing_that_ffmpeg_knows_and_cannot_draw_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg" width="9"/>')
    with pytest.raises(MediaError, match=r"^a\.svg: .* \(an SVG drawing\)$"):
        read_video(tmp_path / "a.svg", 16)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_a_part_of_a_photograph_is_truncated(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / f"a{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=rf"^a{suffix}: truncated$"):
        read_image(tmp_path / f"a{suffix}", 16)
