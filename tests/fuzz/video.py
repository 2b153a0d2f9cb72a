"""Fuzzes video decoding: it must yield frames of one size or a proper error.

Parsers and decoders are FFmpeg's; coverage guides only the Python code around them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import av
import numpy as np
import PIL.Image
from fuzz.fuzzing import Target, refused
from support.movies import shades, write_movie

from motioncast.client.errors import MediaError
from motioncast.media.reading import read_video

SIZE, FRAMES = 16, 32
_FOLDER: Final = tempfile.TemporaryDirectory(prefix="motioncast-fuzz-video-")
_FILE: Final = Path(_FOLDER.name, "video")
av.logging.set_level(None)


def attack(data: bytes) -> bool:
    """Reads a video's first frames; returns whether all were decoded."""
    _FILE.write_bytes(data)
    try:
        with read_video(_FILE, SIZE, limit=FRAMES) as video:
            assert 0 < video.frame_rate <= 240, video.frame_rate
            for frame in video.frames:
                assert frame.shape == (SIZE, SIZE, 3)
                assert frame.dtype == np.uint8
    except MediaError as refusal:
        return refused(refusal)
    return True


def seeds() -> list[bytes]:
    """Returns short videos in common containers and codecs."""
    made = [
        write_movie(Path(_FOLDER.name, f"seed.{ending}"), shades(4), None, codec, pixels)
        for ending, codec, pixels in (
            ("mp4", "libx264", "yuv444p"),
            ("mov", "mjpeg", "yuvj420p"),
            ("mkv", "ffv1", "yuv420p"),
            ("webm", "libvpx-vp9", "yuv420p"),
            ("avi", "mpeg4", "yuv420p"),
            ("ts", "libx264", "yuv420p"),
        )
    ]
    gif = Path(_FOLDER.name, "seed.gif")
    first, *others = map(PIL.Image.fromarray, shades(4))
    first.save(gif, save_all=True, append_images=others)
    return [path.read_bytes() for path in (*made, gif)]


TARGET: Final = Target(attack, seeds, slowest_seconds=20.0, longest=32_768)
