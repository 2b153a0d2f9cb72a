"""Decoded clips in one memory-mapped array, so that training never waits for a video decoder."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from motioncast.data.video_folder import Clip, DamagedVideoError, VideoFolder
from motioncast.media import unfinished_folder

DEFAULT_CACHE = Path.home() / ".cache" / "motioncast"
VALIDATION_PERCENT = 5  # of the clips, unless another share is requested
INDEX_FORMAT = 2  # increment when the same files would be read differently

OnDamage = Literal["refuse", "skip"]


class ClipSource(Protocol):
    """A folder of files that contain clips."""

    @property
    def root(self) -> Path: ...

    @property
    def options(self) -> str:
        """The settings, besides the files, that determine what is read."""

    def paths(self) -> list[Path]:
        """Lists the files; raises FileNotFoundError when there are none."""

    def read(self, path: Path, size: int) -> Iterator[tuple[str, Clip]]:
        """Yields the names and frames (T, size, size, 3) of the clips of one file, one by one.

        Raises DamagedVideoError where a file cannot be read any further.
        """


@dataclass(frozen=True, slots=True)
class ClipCache:
    """Clips by name; frames of clip i are `frames[starts[i]:starts[i + 1]]`."""

    names: tuple[str, ...]
    starts: tuple[int, ...]  # number of clips + 1
    frames: npt.NDArray[np.uint8]  # (N, S, S, 3), memory-mapped, read-only
    skipped: tuple[str, ...] = ()  # damaged files that were left out on request
    fingerprint: str = ""  # of files, size and options; empty for clips outside the cache

    def __len__(self) -> int:
        return len(self.names)

    def clip(self, index: int) -> Clip:
        """Returns the frames (T, S, S, 3) of one clip, without copying."""
        return self.frames[self.starts[index] : self.starts[index + 1]]

    def lengths(self) -> npt.NDArray[np.int64]:
        """Returns the number of frames of every clip."""
        starts = np.asarray(self.starts, dtype=np.int64)
        return starts[1:] - starts[:-1]


def open_cache(
    folder: Path, size: int, cache: Path = DEFAULT_CACHE, damaged: OnDamage = "refuse"
) -> ClipCache:
    """Opens the clips of a folder of videos; see `cached_clips`."""
    return cached_clips(VideoFolder(folder), size, cache, damaged)


def cached_clips(
    source: ClipSource, size: int, cache: Path = DEFAULT_CACHE, damaged: OnDamage = "refuse"
) -> ClipCache:
    """Opens the decoded clips of a source at size x size, decoding them on first use.

    Changed, added or removed files lead to a new cache entry. A damaged file raises
    DamagedVideoError; with `damaged="skip"` it is dropped from the damage on and listed in
    `skipped`: earlier clips of the file are intact, later ones cannot be trusted.
    """
    paths = source.paths()
    fingerprint = _fingerprint(paths, f"{damaged}{source.options}")
    entry = cache / f"{source.root.absolute().name}-{size}-{fingerprint}"
    if not entry.is_dir():
        _build(source, paths, size, entry, damaged)
    index = json.loads((entry / "index.json").read_text())
    return ClipCache(
        names=tuple(index["names"]),
        starts=tuple(index["starts"]),
        frames=np.load(entry / "frames.npy", mmap_mode="r"),
        skipped=tuple(index["skipped"]),
        fingerprint=f"{size}-{fingerprint}",
    )


def split_validation(
    cache: ClipCache, percent: int = VALIDATION_PERCENT
) -> tuple[list[int], list[int]]:
    """Returns (training, validation) clip indices; the hash of a clip's name decides."""
    held_out = [_name_hash(name) % 100 < percent for name in cache.names]
    training = [index for index, held in enumerate(held_out) if not held]
    validation = [index for index, held in enumerate(held_out) if held]
    return training, validation


def _name_hash(name: str) -> int:
    # The last digits: GRID's train/test split already used the hash modulo 10.
    return int(hashlib.sha1(name.encode()).hexdigest(), 16) // 10


def _fingerprint(paths: Sequence[Path], options: str) -> str:
    digest = hashlib.sha256(f"{INDEX_FORMAT}:{options}".encode())
    for path in paths:
        stat = path.stat()
        digest.update(f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _build(
    source: ClipSource, paths: Sequence[Path], size: int, entry: Path, damaged: OnDamage
) -> None:
    """Decodes into a folder next to the entry and renames it, so an entry is always complete."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with unfinished_folder(entry.parent, f".{entry.name}-") as unfinished:
        names: list[str] = []
        starts, skipped = [0], []
        with (unfinished / "frames.npy").open("wb") as file:
            _write_header(file, 0, size)
            for path in tqdm(paths, desc=f"decoding {source.root.name}", unit="file"):
                before = len(names)
                try:
                    for name, clip in source.read(path, size):
                        clip.tofile(file)
                        names.append(name)
                        starts.append(starts[-1] + len(clip))
                except DamagedVideoError:
                    if damaged == "refuse":
                        raise
                    read = len(names) - before
                    skipped.append(f"{path.name} from clip {read} on" if read else path.name)
            _write_header(file, starts[-1], size)
        if not names:
            raise DamagedVideoError(f"{source.root}: every selected file is damaged")
        index = {"names": names, "starts": starts, "skipped": skipped}
        (unfinished / "index.json").write_text(json.dumps(index))
        _publish(unfinished, entry)


def _write_header(file: BinaryIO, frames: int, size: int) -> None:
    """Writes the .npy header of (frames, size, size, 3) bytes at the beginning of the file."""
    file.seek(0)
    # numpy reserves space for any length of the first axis, so the header never grows.
    shape = (frames, size, size, 3)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )


def _publish(unfinished: Path, entry: Path) -> None:
    try:
        os.replace(unfinished, entry)
    except OSError:
        if not entry.is_dir():  # otherwise another process was first, with the same content
            raise
