"""Adapts the shipped networks to one person or scene, from a few minutes of video.

    motioncast train personal VIDEO... --out FOLDER [--name NAME]
    motioncast stream VIDEO --model NAME --out RESULTS

    videos -> detector and synthesis, fine-tuned   FOLDER/synthesis/model.pt
           -> keypoints -> predictor               FOLDER/predictor.pt
           -> three models in your own folder      NAME_keypoint, NAME_synthesis, NAME_predictor

The end of every video is held out for model selection. Run again on the same folder, it continues
where it was interrupted.
"""

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch

from motioncast.client.errors import MotioncastError
from motioncast.data.command_line import Failure, Program, Refusal
from motioncast.data.framing import ClipFraming, Frame
from motioncast.data.keypoints import extract_tracks
from motioncast.data.own_videos import Division, OwnVideos, OwnVideosError, open_own_videos
from motioncast.export.__main__ import describe
from motioncast.export.exporter import ExportError, export_models, fingerprint
from motioncast.export.finder import add_finder
from motioncast.export.parity import ParityError
from motioncast.framing import FramingMode
from motioncast.inference.repository import (
    default_repository,
    own_repository,
    shipped_repository,
)
from motioncast.models.checkpoint import CheckpointError, load_motion_transfer
from motioncast.models.configurations import CONFIGURATIONS
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.predictors.checkpoint import (
    PredictorCheckpointError,
    load_predictor,
    save_predictor,
)
from motioncast.models.predictors.vrnn import VRNN
from motioncast.models.shipped import shipped_checkpoint
from motioncast.train.configuration import override
from motioncast.train.fields import ConfigurationError
from motioncast.train.personal_options import PersonalOptions
from motioncast.train.personal_predictor import SCHEDULE, choose_predictor
from motioncast.train.personal_synthesis import Tails, default_settings, fine_tune
from motioncast.train.settings import TrainingSettings
from motioncast.wire.errors import DomainError

NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")
PARTS = ("keypoint", "predictor", "synthesis")
RECORD = "personal.json"


class PersonalError(Exception):
    """Raised when the models cannot be made; the message says why."""


EXPECTED = (
    CheckpointError,
    ConfigurationError,
    DomainError,
    ExportError,
    MotioncastError,
    OSError,
    OwnVideosError,
    ParityError,
    PersonalError,
    PredictorCheckpointError,
)


def run(options: PersonalOptions, command: str) -> None:
    """Trains, exports and explains how to use the result; raises Refusal for invalid input."""
    if options.steps is not None and options.minutes is not None:
        raise Refusal("--steps and --minutes: expected at most one of them")
    torch.set_num_threads(options.threads)
    try:
        _train(options)
    except EXPECTED as error:
        raise Failure(str(error)) from error


def check_name(name: str, repository: Path, replace_models: bool) -> None:
    """Raises PersonalError unless models may be called `name` in the repository."""
    if not NAME.fullmatch(name):
        raise PersonalError(
            f"name: {name!r} is not a valid name (expected words of a-z and 0-9, joined by _ or -:"
            " --name ada_2)"
        )
    if name in CONFIGURATIONS:
        raise PersonalError(f"name: {name!r} is the name of a configuration; choose another")
    taken = [part for part in PARTS if (repository / f"{name}_{part}").exists()]
    if taken and not replace_models:
        raise PersonalError(
            f"name: {repository} already has a model {name}_{taken[0]} (choose another name,"
            " or --replace it)"
        )


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The checkpoints that a training starts from, and their contents."""

    start: Path
    predictor: Path
    networks: MotionTransfer
    shipped: VRNN

    @classmethod
    def load(cls, options: PersonalOptions) -> Self:
        """Loads them; raises PersonalError unless they fit together."""
        start = options.start or shipped_checkpoint("synthesis", options.config)
        predictor = options.predictor or shipped_checkpoint("predictor", options.config)
        networks, shipped = load_motion_transfer(start), _vrnn(predictor)
        if shipped.sizes.keypoints != networks.configuration.keypoints:
            raise PersonalError(
                f"{predictor}: forecasts {shipped.sizes.keypoints} keypoints (expected"
                f" {networks.configuration.keypoints}, as in {start})"
            )
        return cls(start, predictor, networks, shipped)


def _train(options: PersonalOptions) -> None:
    """Trains both stages in the requested folder, and exports them."""
    repository = options.repository or own_repository()
    name = options.name or options.out.absolute().name
    check_name(name, repository, options.replace)
    if options.repository is None:
        check_name(name, shipped_repository(), replace_models=False)
    beginning = _Beginning.load(options)
    config = beginning.networks.configuration
    lengths = {"steps": options.steps, "minutes": options.minutes, "seed": options.seed}
    settings = override(default_settings(beginning.networks), lengths)
    assert isinstance(settings, TrainingSettings)
    frame = options.frame or ("fixed" if config.architecture == "face" else "off")
    videos = _open_videos(options, beginning, frame)

    tuned = _tune_synthesis(beginning.networks, videos, options.out, settings)
    predictor = _tune_predictor(beginning.shipped, tuned, videos, options)
    print(
        "exporting the models and comparing each with its network, which takes a while", flush=True
    )
    models = export_models(
        config.name,
        repository,
        synthesis=tuned,
        predictor=predictor,
        name=name,
        framing=FramingMode(frame),
    )
    if frame != "off":
        add_finder(repository)
    for model in models:
        print(describe(model))
    if options.repository is None:
        print(f"models: {repository}")
        default_repository()  # a running server may load them now
    models_option = f" --models {options.repository}" if options.repository else ""
    print(f"motioncast stream VIDEO --model {name}{models_option} --out FOLDER")


def _open_videos(options: PersonalOptions, beginning: _Beginning, frame: Frame) -> OwnVideos:
    """Opens the videos, and claims the folder for a training on them."""
    division = Division(options.use_until, options.held_out)
    framing = ClipFraming.shipped() if frame == "fixed" else None
    size = beginning.networks.configuration.image_size
    videos = open_own_videos(options.videos, size, division, options.cache, framing)
    _claim(
        options.out / RECORD,
        {
            "videos": videos.whole.fingerprint,
            "use_until": division.use,
            "held_out": division.held_out,
            "from": fingerprint(beginning.start),
            "predictor": fingerprint(beginning.predictor),
        },
    )
    for line in videos.lines():
        print(line, flush=True)
    return videos


def _tune_synthesis(
    networks: MotionTransfer, videos: OwnVideos, out: Path, settings: TrainingSettings
) -> Path:
    """Fine-tunes detector and synthesis; returns the checkpoint."""
    tails = Tails(videos.sources_and_tails())
    seen = fine_tune(networks, videos, tails, out / "synthesis", settings)
    print(
        f"held-out frames: {max(seen):.2f} dB, {seen[0]:.2f} dB before training,"
        f" {tails.copied_psnr_db():.2f} dB by copying the source",
        flush=True,
    )
    return out / "synthesis" / "model.pt"


def _tune_predictor(
    shipped: VRNN, tuned: Path, videos: OwnVideos, options: PersonalOptions
) -> Path:
    """Trains the predictor on the tuned detector's keypoints; returns the better one's file."""
    tracks = extract_tracks(load_motion_transfer(tuned), videos.parts)
    steps = min(SCHEDULE.steps, options.steps or SCHEDULE.steps)
    schedule = replace(SCHEDULE, steps=steps)
    chosen = choose_predictor(shipped, tracks, options.out / "predictor", schedule)
    save_predictor(chosen.model, options.out / "predictor.pt")
    errors = ", ".join(f"{name} {error:.3f}" for name, error in chosen.errors.items())
    print(f"predictor: {chosen.name}; errors relative to holding still: {errors}", flush=True)
    return options.out / "predictor.pt"


def _vrnn(path: Path) -> VRNN:
    model = load_predictor(path)
    if not isinstance(model, VRNN):
        raise PersonalError(f"{path}: is not a VRNN (only a VRNN can be made personal)")
    return model


def _claim(record: Path, facts: dict[str, object]) -> None:
    """Records what a folder is a training of; PersonalError if it belongs to another."""
    if record.is_file():
        if json.loads(record.read_text(encoding="utf-8")) != facts:
            raise PersonalError(
                f"{record.parent}: contains a training on other videos, shares or"
                " checkpoints (choose another --out)"
            )
        return
    record.parent.mkdir(parents=True, exist_ok=True)
    unfinished = record.with_name(f".{record.name}.unfinished")
    unfinished.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, record)


main = Program("motioncast train personal", PersonalOptions, run, __doc__)


if __name__ == "__main__":
    main()
