"""One person's frames as face training samples, with the keypoints that the detector finds.

The detector stays fixed, anchored and unsupervised keypoints alike, so they are detected once for
every frame, and a predictor of the keypoints remains valid throughout.
"""

import json
import os
from pathlib import Path

import numpy as np
import torch

from motioncast.data.face_variation import Variation
from motioncast.data.faces import FaceSampler, FaceSet
from motioncast.data.own_videos import OwnVideos
from motioncast.models.face.keypoints import ANCHORED
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.settings import FaceSettings

FRAMES_PER_CALL = 8
EXPRESSIVE = 0.3  # share of the pairs

# Little augmentation: this person will reappear in this light and in front of this room.
VARIATION = Variation(
    mirrored=0.0,
    followed=0.0,
    unseen=0.0,
    elsewhere=0.0,
    colours=0.3,
    squeeze=0.03,
    shear=0.02,
    soft=0.0,
    noisy=0.0,
    coded=0.0,
)

FACE_SETTINGS = FaceSettings(
    steps=1000,
    batch_size=4,
    warmup_steps=20,
    freeze_detector=0.0,
    freeze_statistics=0.0,
    learning_rate=5e-4,
    average_decay=0.98,
    texture_weight=6.0,
    landmark_weight=0.4,
)


def own_faces(
    networks: MotionTransfer, videos: OwnVideos, folder: Path, settings: FaceSettings
) -> FaceSampler:
    """Writes the training frames as a face set, unless it exists, and returns its sampler."""
    if not (folder / "clips.json").is_file():
        _write(networks, videos, folder)
    faces = FaceSet(folder, 1.0)
    side = networks.configuration.image_size
    return FaceSampler(
        [faces], settings.batch_size, settings.seed, side, EXPRESSIVE, VARIATION, workers=1
    )


def _write(networks: MotionTransfer, videos: OwnVideos, folder: Path) -> None:
    """Writes a face set, its list of clips last."""
    clips = [np.asarray(videos.parts.clip(part)) for part in videos.learned]
    entries, start = [], 0
    for part, clip in zip(videos.learned, clips, strict=True):
        stop = start + len(clip)
        entries.append(
            {"name": videos.parts.names[part], "person": "one", "start": start, "stop": stop}
        )
        start = stop
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.concatenate(clips)
    np.save(folder / "frames.npy", frames)
    np.save(folder / "points.npy", _anchored(networks, frames))
    unfinished = folder / ".clips.json.unfinished"
    unfinished.write_text(json.dumps(entries) + "\n", encoding="utf-8")
    os.replace(unfinished, folder / "clips.json")


@torch.inference_mode()
def _anchored(networks: MotionTransfer, frames: np.ndarray) -> np.ndarray:
    """Returns the anchored keypoints (N, 70, 2) of frames (N, S, S, 3)."""
    found = []
    for part in np.array_split(frames, -(-len(frames) // FRAMES_PER_CALL)):
        images = torch.from_numpy(part.copy()).permute(0, 3, 1, 2).float() / 255
        found.append(networks.detect(images)[:, :ANCHORED, :2].numpy())
    return np.concatenate(found).astype(np.float32)
