"""Extracts keypoint tracks of a face set, with a trained detector's unsupervised keypoints.

Clips are registered with their first frames, as a sender does whose source that is.

    python -m motioncast.data.face_tracks --checkpoint FILE --set FOLDER --out TRACKS.npz
        [--set FOLDER ...] [--hold-out PERSON ...] [--detect]

A set (data/faces.py) contains the anchored keypoints of its frames, found by the network that every
face configuration shares, so only the others are detected; presence is then taken as
certain. With --detect the whole detector runs, as when served. Clips are called PERSON/CLIP, as
required for training by person and holding people out.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from torch import Tensor, nn
from tqdm import tqdm

from motioncast.data.command_line import Program, Refusal, refusing
from motioncast.data.faces import Clip
from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.models.checkpoint import CheckpointError, load_motion_transfer
from motioncast.models.face.detector import FaceDetector
from motioncast.models.motion_transfer import MotionTransfer

BATCH = 32


def face_tracks(
    model: MotionTransfer, folder: Path, hold_out: Collection[str] = (), whole: bool = False
) -> Tracks:
    """Returns the tracks (F, K, 3) of a set's clips of two frames or more, as senders send them.

    Every clip is registered with its first frame.
    hold_out: persons whose clips are for validation; whole: detects the anchored keypoints too.
    """
    frames = np.load(folder / "frames.npy", mmap_mode="r")
    points = np.load(folder / "points.npy", mmap_mode="r")
    clips = [Clip(**entry) for entry in json.loads((folder / "clips.json").read_text())]
    clips = [clip for clip in clips if clip.stop - clip.start > 1]
    found, starts = [], [0]
    for clip in tqdm(clips, desc="detecting", unit="clip"):
        rows = slice(clip.start, clip.stop)
        parts: list[Tensor] = []
        for first in range(0, clip.stop - clip.start, BATCH):
            some = slice(first, first + BATCH)
            levels = torch.from_numpy(np.array(frames[rows][some]))
            images = levels.permute(0, 3, 1, 2).float() / 255
            known = None if whole else np.array(points[rows][some])
            keypoints = _detect(model.detector, images, known)
            if first == 0:
                source, at_source = images[:1], keypoints[:1]
            with torch.inference_mode():
                sent = model.register(source, at_source, images, keypoints.unsqueeze(0))[0].clone()
            parts.append(sent)
        found.append(torch.cat(parts))
        starts.append(starts[-1] + len(found[-1]))
    return Tracks(
        names=tuple(f"{clip.person}/{clip.name}" for clip in clips),
        starts=tuple(starts),
        keypoints=torch.cat(found),
        validation=tuple(clip.person in hold_out for clip in clips),
    )


def joined(parts: Sequence[Tracks]) -> Tracks:
    """Returns several tracks concatenated into one."""
    starts = [0]
    for part in parts:
        starts += [starts[-1] + stop for stop in part.starts[1:]]
    return Tracks(
        names=tuple(name for part in parts for name in part.names),
        starts=tuple(starts),
        keypoints=torch.cat([part.keypoints for part in parts]),
        validation=tuple(held for part in parts for held in part.validation),
    )


def _detect(detector: nn.Module, images: Tensor, points: npt.NDArray[np.float32] | None) -> Tensor:
    """Returns keypoints (N, K, 3) of images (N, 3, S, S), with points (N, 70, 2) if known."""
    assert isinstance(detector, FaceDetector)
    with torch.inference_mode():
        if points is None:
            keypoints: Tensor = detector(images)
            return keypoints.float().clone()
        anchored = torch.from_numpy(points).float().clamp(-1, 1)
        certain = torch.ones(*anchored.shape[:2], 1)
        rest = detector.unsupervised(images).float()
        return torch.cat([torch.cat([anchored, certain], dim=-1), rest], dim=1).clone()


@dataclass(frozen=True, kw_only=True)
class FaceTracksOptions:
    """Which sets, whose detector, and who is held out."""

    checkpoint: Annotated[Path, typer.Option(metavar="FILE", help="stage 1 checkpoint (synthesis)")]
    sets: Annotated[
        list[Path],
        typer.Option("--set", metavar="FOLDER", help="face set to read; may be repeated"),
    ]
    out: Annotated[Path, typer.Option(metavar="TRACKS", help=".npz file to write")]
    hold_out: Annotated[
        list[str] | None,
        typer.Option(metavar="PERSON", help="person to hold out for validation; may be repeated"),
    ] = None
    detect: Annotated[
        bool,
        typer.Option(
            "--detect",
            help="detect the anchored keypoints too instead of reading them from the set",
        ),
    ] = False
    threads: Annotated[int, typer.Option(min=1)] = 1


def run(options: FaceTracksOptions, command: str) -> None:
    """Writes the tracks of face sets to one file."""
    torch.set_num_threads(options.threads)
    held_out = options.hold_out or []
    with refusing(OSError, CheckpointError):
        model = load_motion_transfer(options.checkpoint).eval()
        if not isinstance(model.detector, FaceDetector):
            raise Refusal(f"--checkpoint: {options.checkpoint} has no face detector")
        parts = [face_tracks(model, one, held_out, options.detect) for one in options.sets]
    tracks = joined(parts)
    people = {name.partition("/")[0] for name in tracks.names}
    if unknown := sorted(set(held_out) - people):
        raise Refusal(f"--hold-out: no set contains {', '.join(unknown)}")
    save_tracks(tracks, options.out)
    print(
        f"{options.out}: {len(tracks.names)} clips of {len(people)} people,"
        f" {sum(tracks.validation)} clips held out, {len(tracks.keypoints)} frames"
    )


main = Program("python -m motioncast.data.face_tracks", FaceTracksOptions, run, __doc__)


if __name__ == "__main__":
    main()
