"""Makes the shipped networks those of one person or scene, from minutes of video.

    motioncast train personal VIDEO... --out FOLDER [--name NAME]
    motioncast stream VIDEO --model NAME --out RESULTS

    videos -> detector and synthesis, fine-tuned   FOLDER/synthesis/model.pt
           -> keypoints -> predictor               FOLDER/predictor.pt
           -> three models in a folder of yours    NAME_keypoint, NAME_synthesis, NAME_predictor

The end of every video is held out to choose by. Started again on the same folder, it goes on where
it was interrupted.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from motioncast.client.errors import MotioncastError
from motioncast.data.clip_cache import DEFAULT_CACHE
from motioncast.data.framing import FRAMES, ClipFraming
from motioncast.data.keypoints import extract_tracks
from motioncast.data.own_videos import Division, OwnVideosError, open_own_videos
from motioncast.export.__main__ import describe
from motioncast.export.exporter import ExportError, export_models, fingerprint
from motioncast.export.parity import ParityError
from motioncast.framing import FramingMode
from motioncast.inference.repository import (
    default_repository,
    own_repository,
    shipped_repository,
)
from motioncast.models.checkpoint import CheckpointError, load_motion_transfer
from motioncast.models.configurations import CONFIGURATIONS
from motioncast.models.predictors.checkpoint import (
    PredictorCheckpointError,
    load_predictor,
    save_predictor,
)
from motioncast.models.predictors.vrnn import VRNN
from motioncast.models.shipped import CONFIGURATION, shipped_checkpoint
from motioncast.train.configuration import override
from motioncast.train.fields import ConfigurationError
from motioncast.train.personal_predictor import SCHEDULE, choose_predictor
from motioncast.train.personal_synthesis import SETTINGS, Tails, default_settings, fine_tune
from motioncast.train.settings import TrainingSettings
from motioncast.wire.errors import DomainError

NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")
PARTS = ("keypoint", "predictor", "synthesis")
RECORD = "personal.json"
SHIPPED = (CONFIGURATION, "lite128")


class PersonalError(Exception):
    """What was asked for cannot be made; the message says why."""


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, exports and says how to use the result; what is wrong is one sentence and code 1."""
    parser = _parser()
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        _run(options)
    except EXPECTED as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


def check_name(name: str, repository: Path, replace_models: bool) -> None:
    """Raises PersonalError unless models may be called `name` in the repository."""
    if not NAME.fullmatch(name):
        raise PersonalError(
            f"name: {name!r} is not a valid name (expected words of a-z and 0-9, joined by _ or -:"
            " --name ada_2)"
        )
    if name in CONFIGURATIONS:
        raise PersonalError(f"name: {name!r} is that of a network; choose another")
    taken = [part for part in PARTS if (repository / f"{name}_{part}").exists()]
    if taken and not replace_models:
        raise PersonalError(
            f"name: {repository} has a model {name}_{taken[0]} (choose another name,"
            f" or --replace it)"
        )


def _run(options: argparse.Namespace) -> None:
    repository = options.repository or own_repository()
    out, name = options.out, options.name or options.out.absolute().name
    check_name(name, repository, options.replace)
    if options.repository is None:
        check_name(name, shipped_repository(), replace_models=False)
    start = options.start or shipped_checkpoint("synthesis", options.config)
    predictor = options.predictor or shipped_checkpoint("predictor", options.config)
    networks, shipped = load_motion_transfer(start), _vrnn(predictor)
    config = networks.configuration
    lengths = {"steps": options.steps, "minutes": options.minutes, "seed": options.seed}
    settings = override(default_settings(networks), lengths)
    assert isinstance(settings, TrainingSettings)
    if shipped.sizes.keypoints != config.keypoints:
        raise PersonalError(
            f"{predictor}: forecasts {shipped.sizes.keypoints} keypoints,"
            f" {start} has {config.keypoints}"
        )
    division = Division(options.use_until, options.held_out)
    frame = options.frame or ("fixed" if config.architecture == "face" else "off")
    framing = ClipFraming.shipped() if frame == "fixed" else None
    videos = open_own_videos(options.videos, config.image_size, division, options.cache, framing)
    _claim(
        out / RECORD,
        {
            "videos": videos.whole.fingerprint,
            "use_until": division.use,
            "held_out": division.held_out,
            "from": fingerprint(start),
            "predictor": fingerprint(predictor),
        },
    )
    for line in videos.lines():
        print(line, flush=True)

    tails = Tails(videos.sources_and_tails())
    seen = fine_tune(networks, videos, tails, out / "synthesis", settings)
    print(
        f"held-out frames: {max(seen):.2f} dB, {seen[0]:.2f} dB before,"
        f" {tails.copied_psnr_db():.2f} dB by copying the source",
        flush=True,
    )
    tuned = out / "synthesis" / "model.pt"
    tracks = extract_tracks(load_motion_transfer(tuned), videos.parts)
    steps = min(SCHEDULE.steps, options.steps or SCHEDULE.steps)
    schedule = replace(SCHEDULE, steps=steps)
    chosen = choose_predictor(shipped, tracks, out / "predictor", schedule)
    save_predictor(chosen.model, out / "predictor.pt")
    errors = ", ".join(f"{name} {error:.3f}" for name, error in chosen.errors.items())
    print(f"predictor: {chosen.name}; errors over that of holding still: {errors}", flush=True)

    models = export_models(
        config.name,
        repository,
        synthesis=tuned,
        predictor=out / "predictor.pt",
        name=name,
        framing=FramingMode(frame),
    )
    for model in models:
        print(describe(model))
    if options.repository is None:
        print(f"models: {repository}")
        default_repository()  # a server that runs may load them now
    models_option = f" --models {options.repository}" if options.repository else ""
    print(f"motioncast stream VIDEO --model {name}{models_option} --out FOLDER")


def _vrnn(path: Path) -> VRNN:
    model = load_predictor(path)
    if not isinstance(model, VRNN):
        raise PersonalError(f"{path}: is no vrnn, which alone can be made personal")
    return model


def _claim(record: Path, facts: dict[str, object]) -> None:
    """Writes down what a folder is the training of; PersonalError when it is another's."""
    if record.is_file():
        if json.loads(record.read_text(encoding="utf-8")) != facts:
            raise PersonalError(
                f"{record.parent}: holds a training on other videos, shares or checkpoints"
                " (give another --out)"
            )
        return
    record.parent.mkdir(parents=True, exist_ok=True)
    unfinished = record.with_name(f".{record.name}.unfinished")
    unfinished.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, record)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="motioncast train personal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEO", help="of one scene")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and log; resumed")
    parser.add_argument("--name", help="of the models (default: that of the --out folder)")
    parser.add_argument(
        "--repository", type=Path, help="folder for the models (default: one of yours)"
    )
    parser.add_argument("--replace", action="store_true", help="models of that name")
    parser.add_argument(
        "--use-until",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="use the first share of every video alone (default: all of it)",
    )
    parser.add_argument(
        "--held-out",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of the used frames of every video, at its end (default: %(default)s)",
    )
    parser.add_argument(
        "--frame",
        choices=FRAMES,
        help="fixed (the default of face configurations): the face that every video's first frame"
        " shows, in training and from then on; off: the centre square",
    )
    parser.add_argument(
        "--config",
        choices=SHIPPED,
        default=CONFIGURATION,
        help="of the shipped networks to begin with (default: %(default)s)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--steps",
        type=int,
        help=f"at most (default: {SETTINGS.steps}, then {SCHEDULE.steps} of the predictor)",
    )
    length.add_argument("--minutes", type=float, help="of the synthesis, instead of steps")
    parser.add_argument("--seed", type=int)
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="CHECKPOINT",
        help="of detector and synthesis (default: the shipped one)",
    )
    parser.add_argument(
        "--predictor", type=Path, metavar="CHECKPOINT", help="of a vrnn (default: the shipped one)"
    )
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="of decoded clips")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


if __name__ == "__main__":
    sys.exit(main())
