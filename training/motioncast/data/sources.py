"""The single entry point to video data: makes a `ClipCache` of a folder of videos or TFRecords."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from motioncast.data.bair import RECORD_SUFFIXES, BairFolder, Camera
from motioncast.data.clip_cache import (
    DEFAULT_CACHE,
    ClipCache,
    ClipSource,
    OnDamage,
    cached_clips,
)
from motioncast.data.framing import ClipFraming
from motioncast.data.video_folder import VIDEO_SUFFIXES, VideoFolder

Layout = Literal["auto", "videos", "tfrecord"]


@dataclass(frozen=True, slots=True)
class DataSource:
    """Selects clips: a folder, and which part of it."""

    folder: Path
    names: Path | None = None  # a split list: one file name or stem per line
    layout: Layout = "auto"  # what the folder holds; by default its content decides
    camera: Camera = "main"  # of TFRecords
    framing: ClipFraming | None = None  # for videos, if faces are to be cropped


def open_clips(
    data: DataSource, size: int, cache: Path = DEFAULT_CACHE, damaged: OnDamage = "refuse"
) -> ClipCache:
    """Opens the clips of a data source at size x size, decoding them on first use.

    A damaged file raises DamagedVideoError, or with `damaged="skip"` is left out and listed in
    `skipped`. Raises FileNotFoundError or ValueError, with an explanation, when the folder does not
    match the source.
    """
    return cached_clips(clip_source(data), size, cache, damaged)


def clip_source(data: DataSource) -> ClipSource:
    """Returns the reader for the folder's content."""
    layout = _found_layout(data.folder) if data.layout == "auto" else data.layout
    if layout == "tfrecord":
        if data.framing is not None:
            raise ValueError(
                "frame: TFRecords show no faces and cannot be framed (use --frame off)"
            )
        return BairFolder(data.folder, data.names, data.camera)
    return VideoFolder(data.folder, data.names, data.framing)


def _found_layout(folder: Path) -> Layout:
    suffixes = {path.suffix.lower() for path in folder.iterdir()} if folder.is_dir() else set()
    if suffixes & RECORD_SUFFIXES and suffixes & VIDEO_SUFFIXES:
        raise ValueError(f"data: {folder} contains both TFRecords and videos; choose with --layout")
    return "tfrecord" if suffixes & RECORD_SUFFIXES else "videos"
