"""Fits a model's keypoint codec tables to keypoint tracks of training people.

    python -m motioncast.train.codec --tracks TRACKS.npz --model face256 --components 100
        [--models model_repository]

Tracks must come from the model's own detector (`motioncast train tracks`); their held-out clips
determine the step. The tables are written next to the model, into
<models>/<model>_keypoint/codec.json, and its checksums are updated. Exclude tracks of people on
whom the codec will be evaluated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from motioncast.codec.tables_file import FILE_NAME, write_tables
from motioncast.data.command_line import Program, Refusal, refusing
from motioncast.data.keypoints import Tracks, TracksError, load_tracks
from motioncast.train.codec_tables import Clip, FitSettings, fit_tables, mean_error_pixels

_DEFAULTS = FitSettings()


@dataclass(frozen=True, kw_only=True)
class CodecOptions:
    """The tracks that the tables are fitted to, and how finely."""

    tracks: Annotated[
        list[Path], typer.Option(metavar="FILE", help="keypoint tracks to fit; may be repeated")
    ]
    model: Annotated[
        str, typer.Option(metavar="NAME", help="configuration of the models, such as face256")
    ]
    models: Annotated[Path, typer.Option(metavar="FOLDER", help="model repository")] = Path(
        "model_repository"
    )
    components: Annotated[
        int,
        typer.Option(
            metavar="C",
            help="number of directions of position; 0: no transform, for unsupervised keypoints",
        ),
    ] = _DEFAULTS.components
    error_pixels: Annotated[
        float, typer.Option(help="mean quantisation error, in pixels at 256")
    ] = _DEFAULTS.error_pixels
    intensity_step: float = _DEFAULTS.intensity_step


def run(options: CodecOptions, command: str) -> None:
    """Fits and writes the tables; raises Refusal for invalid input."""
    settings = FitSettings(options.error_pixels, options.components, options.intensity_step)
    folder = options.models / f"{options.model}_keypoint"
    with refusing(TracksError, OSError, ValueError):
        if not folder.is_dir():
            raise Refusal(f"--model: {options.models} has no {folder.name}")
        tracks = [load_tracks(path) for path in options.tracks]
        training, validation = _clips(tracks, "training"), _clips(tracks, "validation")
        tables = fit_tables(training, validation, settings)
    from motioncast.export.repository import write_beside  # optional: training works without export

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


main = Program("motioncast train codec", CodecOptions, run, __doc__)


if __name__ == "__main__":
    main()
