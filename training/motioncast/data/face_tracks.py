"""Keypoint tracks of a set of faces, with the unsupervised keypoints of a trained detector.

    python -m motioncast.data.face_tracks --checkpoint FILE --set FOLDER... --out TRACKS.npz
        [--hold-out PERSON...] [--detect]

A set (data/faces.py) holds the anchored keypoints of its frames: they are found by the network that
every face configuration ships, so only the others are detected anew; presence then counts as
certain. With --detect the whole detector runs, as it is served. Clips are called PERSON/CLIP, as
training by person and held-out people need it.
"""

import argparse
import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from motioncast.data.faces import Clip
from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.models.checkpoint import CheckpointError, load_motion_transfer
from motioncast.models.face.detector import FaceDetector

BATCH = 32


def face_tracks(
    detector: FaceDetector, folder: Path, hold_out: Collection[str] = (), whole: bool = False
) -> Tracks:
    """Returns the tracks (F, K, 3) of a set's clips of two frames or more.

    hold_out: persons whose clips are for validation; whole: detects the anchored keypoints too.
    """
    frames = np.load(folder / "frames.npy", mmap_mode="r")
    points = np.load(folder / "points.npy", mmap_mode="r")
    clips = [Clip(**entry) for entry in json.loads((folder / "clips.json").read_text())]
    clips = [clip for clip in clips if clip.stop - clip.start > 1]
    found, starts = [], [0]
    for clip in tqdm(clips, desc="detecting", unit="clip"):
        rows = slice(clip.start, clip.stop)
        found.append(
            torch.cat(
                [
                    _detect(
                        detector,
                        np.array(frames[rows][first : first + BATCH]),
                        None if whole else np.array(points[rows][first : first + BATCH]),
                    )
                    for first in range(0, clip.stop - clip.start, BATCH)
                ]
            )
        )
        starts.append(starts[-1] + len(found[-1]))
    return Tracks(
        names=tuple(f"{clip.person}/{clip.name}" for clip in clips),
        starts=tuple(starts),
        keypoints=torch.cat(found),
        validation=tuple(clip.person in hold_out for clip in clips),
    )


def joined(parts: Sequence[Tracks]) -> Tracks:
    """Returns the clips of several tracks as one."""
    starts = [0]
    for part in parts:
        starts += [starts[-1] + stop for stop in part.starts[1:]]
    return Tracks(
        names=tuple(name for part in parts for name in part.names),
        starts=tuple(starts),
        keypoints=torch.cat([part.keypoints for part in parts]),
        validation=tuple(held for part in parts for held in part.validation),
    )


def _detect(
    detector: FaceDetector,
    frames: npt.NDArray[np.uint8],
    points: npt.NDArray[np.float32] | None,
) -> Tensor:
    """Returns keypoints (N, K, 3) of frames uint8 (N, S, S, 3) and points (N, 70, 2) if known."""
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        if points is None:
            keypoints: Tensor = detector(images)
            return keypoints.float().clone()
        anchored = torch.from_numpy(points).float().clamp(-1, 1)
        certain = torch.ones(*anchored.shape[:2], 1)
        rest = detector.unsupervised(images).float()
        return torch.cat([torch.cat([anchored, certain], dim=-1), rest], dim=1).clone()


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the tracks of sets of faces to one file."""
    parser = argparse.ArgumentParser(
        prog="python -m motioncast.data.face_tracks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="of stage 1 (synthesis)")
    parser.add_argument("--set", type=Path, nargs="+", required=True, help="folders of faces")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument(
        "--hold-out", nargs="*", default=[], metavar="PERSON", help="to validate on"
    )
    parser.add_argument("--detect", action="store_true", help="anchored keypoints too")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    try:
        detector = load_motion_transfer(options.checkpoint).eval().detector
        if not isinstance(detector, FaceDetector):
            parser.error(f"--checkpoint: {options.checkpoint} has no detector of faces")
        parts = [
            face_tracks(detector, folder, options.hold_out, options.detect)
            for folder in options.set
        ]
    except (FileNotFoundError, CheckpointError) as error:
        parser.error(str(error))
    tracks = joined(parts)
    people = {name.partition("/")[0] for name in tracks.names}
    if unknown := sorted(set(options.hold_out) - people):
        parser.error(f"--hold-out: nobody is called {', '.join(unknown)}")
    save_tracks(tracks, options.out)
    held = sum(tracks.validation)
    print(
        f"{options.out}: {len(tracks.names)} clips of {len(people)} people,"
        f" {held} clips held out, {len(tracks.keypoints)} frames"
    )


if __name__ == "__main__":
    main()
