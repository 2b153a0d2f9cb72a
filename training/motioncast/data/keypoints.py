"""Extracts keypoint tracks: the frozen detector's output for every frame, in one .npz file.

    motioncast train tracks --checkpoint CHECKPOINT --data FOLDER --out TRACKS.npz

Shapes: F frames of all clips, N clips of T, K keypoints (x, y, intensity).
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import typer
from torch import Tensor
from tqdm import tqdm

from motioncast.data.arguments import DataOptions, open_data
from motioncast.data.clip_cache import (
    DEFAULT_CACHE,
    VALIDATION_PERCENT,
    ClipCache,
    split_validation,
)
from motioncast.data.command_line import Program, refusing
from motioncast.data.video_folder import DamagedVideoError
from motioncast.models.checkpoint import CheckpointError, load_motion_transfer
from motioncast.models.motion_transfer import MotionTransfer

Part = Literal["training", "validation", "all"]

ARRAYS = ("names", "starts", "keypoints", "validation")
TRACKS_FORMAT = 1  # increment when the same checkpoint would give other keypoints


class TracksError(ValueError):
    """Raised when a file does not hold the expected keypoint tracks; the message names it."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """Keypoints of clips by name; those of clip i are `keypoints[starts[i]:starts[i + 1]]`."""

    names: tuple[str, ...]
    starts: tuple[int, ...]  # number of clips + 1
    keypoints: Tensor  # (F, K, 3) float32
    validation: tuple[bool, ...]  # whether the clip is held out of training

    def clip(self, index: int) -> Tensor:
        """Returns the keypoints (T, K, 3) of one clip."""
        return self.keypoints[self.starts[index] : self.starts[index + 1]]

    def subset(self, part: Part) -> list[Tensor]:
        """Returns the clips (T, K, 3) of one part of the data."""
        return [self.clip(i) for i in self._indices(part)]

    def people(self, part: Part) -> list[str]:
        """Returns the person in every clip of a part: PERSON of PERSON/CLIP, or the clip's name."""
        return [self.names[i].partition("/")[0] for i in self._indices(part)]

    def _indices(self, part: Part) -> list[int]:
        wanted = {"training": (False,), "validation": (True,), "all": (False, True)}[part]
        return [i for i, held in enumerate(self.validation) if held in wanted]


def extract_tracks(model: MotionTransfer, clips: ClipCache, batch: int = 64) -> Tracks:
    """Runs the detector, on its device, over every frame of the clips, with a progress bar.

    The keypoints are those that a sender sends whose source is the clip's first frame: registered
    with it, if the networks do that.
    """
    model.eval()
    device = next(model.parameters()).device
    found = []
    with torch.inference_mode():
        for start, stop in tqdm(list(pairwise(clips.starts)), desc="detecting", unit="clip"):
            for first in range(start, stop, batch):
                frames = torch.from_numpy(np.array(clips.frames[first : min(first + batch, stop)]))
                images = frames.to(device).permute(0, 3, 1, 2).float() / 255  # (B, 3, S, S)
                detected = model.detect(images).float()
                if first == start:
                    source, at_source = images[:1], detected[:1]
                sent = model.register(source, at_source, images, detected.unsqueeze(0))[0]
                found.append(sent.cpu())
    return Tracks(
        names=clips.names,
        starts=clips.starts,
        keypoints=torch.cat(found).clone(),  # usable outside inference mode
        validation=held_out(clips),
    )


def held_out(clips: ClipCache, percent: int = VALIDATION_PERCENT) -> tuple[bool, ...]:
    """Returns for every clip whether it is held out of training, about `percent` of them."""
    validation = set(split_validation(clips, percent)[1])
    return tuple(index in validation for index in range(len(clips)))


def cached_tracks(
    checkpoint: Path, clips: ClipCache, cache: Path = DEFAULT_CACHE, device: str = "cpu"
) -> Tracks:
    """Returns the keypoints detected by a stage 1 checkpoint, extracting them on first use.

    A different checkpoint content, other clips or other options lead to a new cache entry; an
    unreadable entry is rebuilt. Clips without a fingerprint are not cached.
    """
    digest = hashlib.sha256(f"{TRACKS_FORMAT}:{clips.fingerprint}:".encode())
    digest.update(checkpoint.read_bytes())
    entry = cache / f"tracks-{digest.hexdigest()[:16]}.npz"
    if clips.fingerprint and entry.is_file():
        try:
            return load_tracks(entry)
        except TracksError as error:
            print(f"extracting again: {error}")
    tracks = extract_tracks(load_motion_transfer(checkpoint).to(device), clips)
    if clips.fingerprint:
        save_tracks(tracks, entry)
    return tracks


def save_tracks(tracks: Tracks, path: Path) -> None:
    """Writes tracks to a compressed .npz, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as unfinished:
        whole = Path(unfinished) / "tracks.npz"
        np.savez_compressed(
            whole,
            names=np.array(tracks.names),
            starts=np.array(tracks.starts, dtype=np.int64),
            keypoints=tracks.keypoints.numpy(),
            validation=np.array(tracks.validation),
        )
        os.replace(whole, path)


def load_tracks(path: Path) -> Tracks:
    """Reads a file written by `save_tracks`; TracksError names the file and what is wrong."""
    arrays = _read_arrays(path)
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise TracksError(f"{path}: is not a keypoint tracks file (missing {', '.join(missing)})")
    names, starts, keypoints, validation = (arrays[name] for name in ARRAYS)
    _check(path, names, starts, keypoints, validation)
    return Tracks(
        names=tuple(str(name) for name in names),
        starts=tuple(int(start) for start in starts),
        keypoints=torch.from_numpy(keypoints.astype(np.float32)),
        validation=tuple(bool(held) for held in validation),
    )


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    with path.open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except Exception as error:  # zipfile, zlib and numpy each report damage differently
            raise TracksError(f"{path}: cannot be read as keypoint tracks ({error})") from error


def _check(
    path: Path,
    names: npt.NDArray[np.str_],
    starts: npt.NDArray[np.int64],
    keypoints: npt.NDArray[np.float32],
    validation: npt.NDArray[np.bool_],
) -> None:
    if keypoints.ndim != 3 or keypoints.shape[2] != 3:
        raise TracksError(f"{path}: keypoints have shape {keypoints.shape}, expected (F, K, 3)")
    if not np.isfinite(keypoints).all():
        raise TracksError(f"{path}: keypoints contain values that are not finite")
    if len(starts) != len(names) + 1 or len(validation) != len(names):
        raise TracksError(
            f"{path}: names, starts and validation disagree about the number of clips"
        )
    if starts[0] != 0 or starts[-1] != len(keypoints) or (np.diff(starts) < 0).any():
        raise TracksError(f"{path}: starts do not divide the {len(keypoints)} frames into clips")


@dataclass(frozen=True, kw_only=True)
class TracksOptions(DataOptions):
    """Whose keypoints are extracted from which videos."""

    checkpoint: Annotated[Path, typer.Option(help="stage 1 checkpoint (synthesis)")]
    out: Annotated[Path, typer.Option(help=".npz file to write")]
    threads: int = 2
    device: Annotated[str, typer.Option(help="device to run the detector on, such as cuda")] = "cpu"
    validation_percent: Annotated[
        int,
        typer.Option(
            metavar="P",
            help="percentage of clips to hold out for validating predictors, chosen by name",
        ),
    ] = VALIDATION_PERCENT


def run(options: TracksOptions, command: str) -> None:
    """Extracts the keypoint tracks of a folder of videos."""
    torch.set_num_threads(options.threads)
    with refusing(CheckpointError, DamagedVideoError, FileNotFoundError):
        model = load_motion_transfer(options.checkpoint)
        clips = open_data(options, model.configuration.image_size)
    tracks = cached_tracks(options.checkpoint, clips, options.cache, options.device)
    tracks = replace(tracks, validation=held_out(clips, options.validation_percent))
    save_tracks(tracks, options.out)
    print(f"{options.out}: {len(tracks.names)} clips, {len(tracks.keypoints)} frames")


main = Program("motioncast train tracks", TracksOptions, run, __doc__)


if __name__ == "__main__":
    main()
