"""Fits the codec's tables of a model to keypoint tracks of training people.

    python -m motioncast.train.codec --tracks TRACKS.npz --model face256 --components 100
        [--models model_repository]

Tracks are those of the model's own detector (`motioncast train tracks`); clips that they hold out
of training set the step. The tables go beside the model, into <models>/<model>_keypoint/codec.json,
and its checksums are written anew. Give no tracks of people whom the codec is to be measured on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from motioncast.codec.tables_file import FILE_NAME, write_tables
from motioncast.data.keypoints import Tracks, TracksError, load_tracks
from motioncast.train.codec_tables import Clip, FitSettings, fit_tables, mean_error_pixels

_DEFAULTS = FitSettings()


def main(arguments: Sequence[str] | None = None) -> None:
    """Fits and writes; what is wrong with the input is one sentence and exit code 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    settings = FitSettings(options.error_pixels, options.components, options.intensity_step)
    folder = options.models / f"{options.model}_keypoint"
    try:
        if not folder.is_dir():
            raise ValueError(f"--model: {options.models} has no {folder.name}")
        tracks = [load_tracks(path) for path in options.tracks]
        training, validation = _clips(tracks, "training"), _clips(tracks, "validation")
        tables = fit_tables(training, validation, settings)
    except (TracksError, OSError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    from motioncast.export.repository import write_beside  # not everyone who trains exports

    write_beside(options.models, folder.name, FILE_NAME, write_tables(tables))
    print(
        f"{folder / FILE_NAME}: {tables.coefficients} coefficients of {tables.keypoints} keypoints,"
        f" fitted to {len(training)} clips, {sum(map(len, training))} frames; error of"
        f" {len(validation)} held-out clips {mean_error_pixels(tables, validation):.3f} pixels"
    )


def _clips(tracks: Sequence[Tracks], part: str) -> list[Clip]:
    wanted = part == "validation"
    return [
        one.clip(index).numpy()
        for one in tracks
        for index, held in enumerate(one.validation)
        if held == wanted
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="motioncast train codec",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--tracks", type=Path, action="append", required=True, metavar="FILE", help="repeat"
    )
    parser.add_argument("--model", required=True, metavar="NAME", help="configuration, face256")
    parser.add_argument(
        "--models", type=Path, default=Path("model_repository"), help="(model_repository)"
    )
    parser.add_argument(
        "--components",
        type=int,
        default=_DEFAULTS.components,
        metavar="C",
        help="directions of position; 0, the default: no transform, for unsupervised keypoints",
    )
    parser.add_argument(
        "--error-pixels",
        type=float,
        default=_DEFAULTS.error_pixels,
        help="mean error of quantisation at 256 (%(default)s)",
    )
    parser.add_argument(
        "--intensity-step", type=float, default=_DEFAULTS.intensity_step, help="(%(default)s)"
    )
    return parser


if __name__ == "__main__":
    main()
