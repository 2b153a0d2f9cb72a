r"""Trains the synthesis network for faces on sets of framed pairs (`data.faces`).

    python -m motioncast.train.face --config face128 --set people 0.5 --set portraits 0.3 \
        --out runs/face128 --minutes 60

Run again on the same folder, it resumes from the last checkpoint.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast

import torch
import typer

from motioncast.data.clip_cache import DEFAULT_CACHE
from motioncast.data.command_line import Program, Refusal, refusing
from motioncast.data.face_variation import open_rooms
from motioncast.data.faces import FaceSampler, FaceSet, FaceSetError, refuse_unknown_people
from motioncast.data.video_folder import DamagedVideoError
from motioncast.models.checkpoint import CheckpointError, load_motion_transfer
from motioncast.models.configurations import Configuration, configuration
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.face_reconstruction import FaceAdversarialTraining, FaceTraining
from motioncast.train.fields import ConfigurationError, fill
from motioncast.train.resuming import resume
from motioncast.train.settings import FaceAdversarialSettings, FaceSettings
from motioncast.train.synthesis import train

Faces = Literal["face256", "face128"]


@dataclass(frozen=True, kw_only=True)
class FaceOptions:
    """Sets, duration and weights of a training of face networks."""

    sets: Annotated[  # pairs of words
        list[str],
        typer.Option(
            "--set",
            metavar="FOLDER SHARE",
            help="face set (from data.face_sets or data.portrait_sets) and its share of"
            " the samples relative to the other sets; may be repeated",
        ),
    ]
    out: Annotated[
        Path,
        typer.Option(
            help="folder for checkpoints, log.jsonl and TensorBoard events; an earlier training"
            " there is resumed"
        ),
    ]
    config: Annotated[Faces, typer.Option()] = "face256"
    without: Annotated[
        list[str] | None, typer.Option(metavar="PERSON", help="person to exclude; may be repeated")
    ] = None
    minutes: Annotated[float | None, typer.Option(help="training time, instead of --steps")] = None
    steps: int | None = None
    batch_size: int = 16
    learning_rate: float = 1e-3
    final_learning_rate: float = 5e-5
    freeze_detector: float = 0.4
    freeze_statistics: float = 1.0
    equivariance: float = 1.0
    texture: float = 0.0
    landmarks: Annotated[float, typer.Option(metavar="WEIGHT")] = 0.0
    emphasis: Annotated[
        float | None, typer.Option(metavar="WEIGHT", help="extra weight of lips, lids and brows")
    ] = None
    mouth: Annotated[
        float | None,
        typer.Option(metavar="WEIGHT", help="extra weight of the area between the lips"),
    ] = None
    expressive: Annotated[float, typer.Option(metavar="SHARE", min=0, max=1)] = 0.3
    first: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0,
            max=1,
            help="share of the pairs whose source is the first frame of its clip",
        ),
    ] = 0.0
    rooms: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="folder of videos or photographs to use as backgrounds"
        ),
    ] = None
    cache: Annotated[
        Path, typer.Option(metavar="FOLDER", help="cache folder for decoded backgrounds")
    ] = DEFAULT_CACHE
    adversarial: Annotated[
        bool,
        typer.Option("--adversarial", help="fine-tune --from CHECKPOINT with adversarial losses"),
    ] = False
    seed: int = 0
    start: Annotated[Path | None, typer.Option("--from", metavar="CHECKPOINT")] = None
    threads: Annotated[int, typer.Option(min=1)] = torch.get_num_threads()


def run(options: FaceOptions, command: str) -> None:
    """Trains; raises Refusal for invalid options or files."""
    if (options.minutes is None) == (options.steps is None):
        raise Refusal("--minutes and --steps: expected one of them")
    torch.set_num_threads(options.threads)
    network = configuration(options.config)
    with refusing(CheckpointError, ConfigurationError, DamagedVideoError, FaceSetError, OSError):
        settings = _settings(options)
        without = frozenset(options.without or ())
        sets = [
            FaceSet(Path(folder), sampling_share(text), without) for folder, text in _pairs(options)
        ]
        refuse_unknown_people(sets, without)
        training = _training(network, settings, options.start)
        options.out.mkdir(parents=True, exist_ok=True)
        if (options.out / "training.pt").is_file():
            resume(training, options.out / "training.pt")
            print(f"resuming {options.out / 'training.pt'} at step {training.step}")
        rooms = None if options.rooms is None else open_rooms(options.rooms, options.cache)
    sampler = FaceSampler(
        sets,
        settings.batch_size,
        settings.seed,
        network.image_size,
        options.expressive,
        rooms=rooms,
        first=options.first,
    )
    train(training, sampler, options.out)  # type: ignore[arg-type]


def _pairs(options: FaceOptions) -> list[tuple[str, str]]:
    """Returns folders and shares as given; raises Refusal if there are none."""
    if not options.sets:
        raise Refusal("--set: at least one is needed")
    return cast("list[tuple[str, str]]", options.sets)


def _settings(options: FaceOptions) -> FaceSettings | FaceAdversarialSettings:
    """Returns the settings given by the options; ConfigurationError for a number out of range."""
    if options.adversarial and options.start is None:
        raise ConfigurationError(
            "--adversarial: needs trained networks to fine-tune (--from CHECKPOINT)"
        )
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
    """Returns the networks, untrained or from a checkpoint, in the training for the settings.

    The checkpoint may be of another face image size, as the networks have the same weights. Raises
    FileNotFoundError or CheckpointError.
    """
    torch.manual_seed(settings.seed)
    model = MotionTransfer(network)
    if start is not None:
        trained = load_motion_transfer(start)
        if trained.configuration.architecture != network.architecture:
            raise CheckpointError(
                f"{start}: contains {trained.configuration.name}, not face networks"
            )
        model.load_state_dict(trained.state_dict())
    if isinstance(settings, FaceAdversarialSettings):
        return FaceAdversarialTraining(model, settings)
    return FaceTraining(model, settings)


def sampling_share(text: str) -> float:
    """Parses how often a set is drawn from, relative to the others: a number above 0."""
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ConfigurationError(f"--set: the share is {text} (expected a number above 0)")
    return weight


main = Program("python -m motioncast.train.face", FaceOptions, run, __doc__, pairs=("sets",))


if __name__ == "__main__":
    main()
