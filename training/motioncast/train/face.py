r"""Training of the synthesis network of faces on sets of framed pairs (`data.faces`).

    python -m motioncast.train.face --config face128 --set people 0.5 --set portraits 0.3 \
        --out runs/face128 --minutes 60

Started again on the same folder, a training resumes where its last checkpoint was written.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import torch

from motioncast.data.arguments import count_of
from motioncast.data.clip_cache import DEFAULT_CACHE
from motioncast.data.face_variation import open_rooms
from motioncast.data.faces import FaceSampler, FaceSet, FaceSetError, refuse_unknown_people
from motioncast.data.video_folder import DamagedVideoError
from motioncast.models.checkpoint import CheckpointError, load_motion_transfer
from motioncast.models.configurations import CONFIGURATIONS, Configuration, configuration
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.face_reconstruction import FaceAdversarialTraining, FaceTraining
from motioncast.train.fields import ConfigurationError, fill
from motioncast.train.settings import FaceAdversarialSettings, FaceSettings
from motioncast.train.synthesis import train

FACES = tuple(name for name, one in CONFIGURATIONS.items() if one.architecture == "face")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and trains."""
    parser = argparse.ArgumentParser(description="Train the synthesis network of faces.")
    _add_arguments(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    network = configuration(options.config)
    try:
        settings = _settings(options)
        without = frozenset(options.without)
        sets = [FaceSet(Path(folder), _weight(text), without) for folder, text in options.sets]
        refuse_unknown_people(sets, without)
        training = _training(network, settings, options.start)
        options.out.mkdir(parents=True, exist_ok=True)
        if (options.out / "training.pt").is_file():
            _resume(training, options.out / "training.pt")
        rooms = None if options.rooms is None else open_rooms(options.rooms, options.cache)
    except (
        CheckpointError,
        ConfigurationError,
        DamagedVideoError,
        FaceSetError,
        OSError,
    ) as error:
        parser.error(str(error))
    sampler = FaceSampler(
        sets,
        settings.batch_size,
        settings.seed,
        network.image_size,
        options.expressive,
        rooms=rooms,
    )
    train(training, sampler, options.out)  # type: ignore[arg-type]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", choices=FACES, default="face256")
    parser.add_argument(
        "--set",
        dest="sets",
        nargs=2,
        action="append",
        required=True,
        metavar=("FOLDER", "SHARE"),
        help="a set of faces (data.face_sets, data.portrait_sets), and how often it is drawn from",
    )
    parser.add_argument("--without", nargs="*", default=[], metavar="PERSON")
    parser.add_argument(
        "--out", type=Path, required=True, help="checkpoints, log.jsonl and tensorboard; resumed"
    )
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--final-learning-rate", type=float, default=5e-5)
    parser.add_argument("--freeze-detector", type=float, default=0.4)
    parser.add_argument("--freeze-statistics", type=float, default=1.0)
    parser.add_argument("--equivariance", type=float, default=1.0)
    parser.add_argument("--texture", type=float, default=0.0)
    parser.add_argument("--landmarks", type=float, default=0.0, metavar="WEIGHT")
    parser.add_argument("--emphasis", type=float, metavar="WEIGHT", help="of lips, lids, brows")
    parser.add_argument("--mouth", type=float, metavar="WEIGHT", help="of what is between the lips")
    parser.add_argument("--expressive", type=_share, default=0.3, metavar="SHARE")
    parser.add_argument("--rooms", type=Path, metavar="FOLDER", help="videos or photographs")
    parser.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, metavar="FOLDER", help="of decoded rooms"
    )
    parser.add_argument("--adversarial", action="store_true", help="fine-tune --from CHECKPOINT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", dest="start", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--threads", type=count_of, default=torch.get_num_threads())


def _settings(options: argparse.Namespace) -> FaceSettings | FaceAdversarialSettings:
    """Returns what the options say; ConfigurationError for a number out of its range."""
    if options.adversarial and options.start is None:
        raise ConfigurationError("--adversarial: fine-tunes trained networks (expected --from)")
    given = {
        "minutes": options.minutes,
        "steps": options.steps,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "final_learning_rate": options.final_learning_rate,
        "freeze_detector": options.freeze_detector,
        "freeze_statistics": options.freeze_statistics,
        "texture_weight": options.texture,
        "landmark_weight": options.landmarks,
        "region_emphasis": options.emphasis,
        "mouth_emphasis": options.mouth,
        "equivariance_weight": options.equivariance,
        "seed": options.seed,
    }
    defaults = FaceAdversarialSettings() if options.adversarial else FaceSettings()
    known = {name: value for name, value in given.items() if value is not None}
    return fill(defaults, known, "command line")


def _training(
    network: Configuration, settings: FaceSettings | FaceAdversarialSettings, start: Path | None
) -> FaceTraining | FaceAdversarialTraining:
    """Returns the networks, untrained or those of a checkpoint, in the training for the settings.

    The checkpoint may be of another size of faces, whose networks have the same weights. Raises
    FileNotFoundError or CheckpointError.
    """
    torch.manual_seed(settings.seed)
    model = MotionTransfer(network)
    if start is not None:
        trained = load_motion_transfer(start)
        if trained.configuration.architecture != network.architecture:
            raise CheckpointError(f"{start}: holds {trained.configuration.name}, no face networks")
        model.load_state_dict(trained.state_dict())
    if isinstance(settings, FaceAdversarialSettings):
        return FaceAdversarialTraining(model, settings)
    return FaceTraining(model, settings)


def _resume(training: FaceTraining | FaceAdversarialTraining, path: Path) -> None:
    try:
        training.resume(path)
    except Exception as error:  # torch.load raises whatever unpickling or unzipping raises
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path}: cannot be gone on from ({reason})") from error
    print(f"resuming {path} at step {training.step}")


def _weight(text: str) -> float:
    """Reads how often a set is drawn from, relative to the others: a number above 0."""
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ConfigurationError(f"--set: the share is {text} (expected a number above 0)")
    return weight


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 0 to 1")
    return share


if __name__ == "__main__":
    main()
