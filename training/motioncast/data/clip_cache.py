"""Decoded clips in one memory-mapped array, so that training never waits for a video decoder."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from motioncast.data.video_folder import Clip, DamagedVideoError, VideoFolder, read_clip

DEFAULT_CACHE = Path.home() / ".cache" / "motioncast"
INDEX_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ClipCache:
    """Clips by name; frames of clip i are `frames[starts[i]:starts[i + 1]]`."""

    names: tuple[str, ...]
    starts: tuple[int, ...]  # one more than there are clips
    frames: npt.NDArray[np.uint8]  # (N, S, S, 3), memory-mapped, read-only
    skipped: tuple[str, ...] = ()  # damaged files that were left out on request

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
    folder: Path,
    size: int,
    cache: Path = DEFAULT_CACHE,
    damaged: Literal["refuse", "skip"] = "refuse",
) -> ClipCache:
    """Opens the decoded clips of a video folder at size x size, decoding them on first use.

    A changed, added or removed file gives another cache entry. A damaged file raises
    DamagedVideoError, or with `damaged="skip"` is left out and listed in `skipped`.
    """
    paths = VideoFolder(folder).paths()
    entry = cache / f"{folder.name}-{size}-{_fingerprint(paths, damaged)}"
    if not entry.is_dir():
        _build(paths, size, entry, damaged)
    index = json.loads((entry / "index.json").read_text())
    return ClipCache(
        names=tuple(index["names"]),
        starts=tuple(index["starts"]),
        frames=np.load(entry / "frames.npy", mmap_mode="r"),
        skipped=tuple(index["skipped"]),
    )


def split_validation(cache: ClipCache, percent: int = 5) -> tuple[list[int], list[int]]:
    """Returns (training, validation) clip indices; the hash of a clip's name decides."""
    held_out = [_name_hash(name) % 100 < percent for name in cache.names]
    training = [index for index, held in enumerate(held_out) if not held]
    validation = [index for index, held in enumerate(held_out) if held]
    return training, validation


def _name_hash(name: str) -> int:
    # The last digits: GRID's train/test split already used the hash modulo 10.
    return int(hashlib.sha1(name.encode()).hexdigest(), 16) // 10


def _fingerprint(paths: Sequence[Path], damaged: str) -> str:
    digest = hashlib.sha256(f"{INDEX_FORMAT}:{damaged}".encode())
    for path in paths:
        stat = path.stat()
        digest.update(f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _build(paths: Sequence[Path], size: int, entry: Path, damaged: str) -> None:
    """Decodes into a folder beside the entry and renames it, so an entry is always whole."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))
    try:
        names: list[str] = []
        starts, skipped = [0], []
        raw = unfinished / "frames.raw"
        with raw.open("wb") as file:
            for path in tqdm(paths, desc=f"decoding {paths[0].parent.name}", unit="clip"):
                try:
                    clip = read_clip(path, size)
                except DamagedVideoError:
                    if damaged == "refuse":
                        raise
                    skipped.append(path.name)
                    continue
                clip.tofile(file)
                names.append(path.name)
                starts.append(starts[-1] + len(clip))
        if not names:
            raise DamagedVideoError(f"{paths[0].parent}: every video in it is damaged")
        _write_npy(raw, (starts[-1], size, size, 3), unfinished / "frames.npy")
        index = {"names": names, "starts": starts, "skipped": skipped}
        (unfinished / "index.json").write_text(json.dumps(index))
        os.replace(unfinished, entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_npy(raw: Path, shape: tuple[int, ...], path: Path) -> None:
    frames = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    frames[:] = np.memmap(raw, dtype=np.uint8, mode="r", shape=shape)
    frames.flush()
    raw.unlink()
