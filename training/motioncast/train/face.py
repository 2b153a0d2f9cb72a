r"""Training of the synthesis network of faces on sets of framed pairs (`data.faces`).

    python -m motioncast.train.face --config face128 --set people 0.5 --set portraits 0.3 \
        --out runs/face128 --minutes 60

Started again on the same folder, a training resumes where its last checkpoint was written.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from motioncast.data.faces import FaceSampler, FaceSet
from motioncast.data.sources import DataSource, open_clips
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.configurations import configuration
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.face_reconstruction import FaceAdversarialTraining, FaceTraining
from motioncast.train.settings import FaceAdversarialSettings, FaceSettings
from motioncast.train.synthesis import train

ROOM_SIDE = 128  # of the pictures of rooms, which are out of focus
ROOM_EVERY = 25  # frames of their videos


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and trains."""
    parser = argparse.ArgumentParser(description="Train the synthesis network of faces.")
    parser.add_argument("--config", default="face256")
    parser.add_argument(
        "--set", dest="sets", nargs=2, action="append", required=True, metavar=("FOLDER", "SHARE")
    )
    parser.add_argument("--without", nargs="*", default=[], metavar="PERSON")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--final-learning-rate", type=float, default=5e-5)
    parser.add_argument("--freeze-detector", type=float, default=0.4)
    parser.add_argument("--freeze-statistics", type=float, default=1.0)
    parser.add_argument("--equivariance", type=float, default=1.0)
    parser.add_argument("--texture", type=float, default=0.0)
    parser.add_argument("--landmarks", type=float, default=0.0, metavar="WEIGHT")
    parser.add_argument("--expressive", type=float, default=0.3, metavar="SHARE")
    parser.add_argument("--rooms", type=Path, metavar="FOLDER", help="videos or photographs")
    parser.add_argument("--adversarial", action="store_true", help="fine-tune --from CHECKPOINT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", dest="start", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    network = configuration(options.config)
    settings = (FaceAdversarialSettings if options.adversarial else FaceSettings)(
        minutes=options.minutes,
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        final_learning_rate=options.final_learning_rate,
        freeze_detector=options.freeze_detector,
        freeze_statistics=options.freeze_statistics,
        texture_weight=options.texture,
        landmark_weight=options.landmarks,
        equivariance_weight=options.equivariance,
        seed=options.seed,
    )
    torch.manual_seed(settings.seed)
    model = MotionTransfer(network)
    if options.start is not None:
        model.load_state_dict(load_motion_transfer(options.start).state_dict())
    training = (
        FaceAdversarialTraining(model, settings)
        if isinstance(settings, FaceAdversarialSettings)
        else FaceTraining(model, settings)
    )
    options.out.mkdir(parents=True, exist_ok=True)
    if (options.out / "training.pt").is_file():
        training.resume(options.out / "training.pt")
    sets = [
        FaceSet(Path(folder), float(share), frozenset(options.without))
        for folder, share in options.sets
    ]
    rooms = None
    if options.rooms is not None:
        clips = open_clips(DataSource(options.rooms), ROOM_SIDE)
        rooms = np.asarray(clips.frames[::ROOM_EVERY])
    sampler = FaceSampler(
        sets,
        settings.batch_size,
        settings.seed,
        network.image_size,
        options.expressive,
        rooms=rooms,
    )
    train(training, sampler, options.out)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
