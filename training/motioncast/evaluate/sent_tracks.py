"""Keypoint tracks sent with a codec's tables: the options, and the data they select."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from motioncast.codec import CodecTables, read_tables
from motioncast.data.keypoints import Part, load_tracks
from motioncast.evaluate.codec import tables_file
from motioncast.evaluate.provenance import provenance
from motioncast.evaluate.quality_results import whole_file
from motioncast.evaluate.results import write_json
from motioncast.evaluate.transmission import Clip
from motioncast.models.configurations import CONFIGURATIONS
from motioncast.models.source_weights import source_weights


@dataclass(frozen=True, kw_only=True)
class SentTracksOptions:
    """Whose keypoints are sent, with which tables."""

    tracks: Annotated[
        Path, typer.Option(metavar="FILE", help="keypoint tracks, from `motioncast train tracks`")
    ]
    model: Annotated[
        str, typer.Option(metavar="NAME", help="configuration of the models, such as face256")
    ]
    models: Annotated[Path, typer.Option(metavar="FOLDER", help="model repository")] = Path(
        "model_repository"
    )
    part: Annotated[Part, typer.Option(help="which clips of the tracks to use")] = "all"
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file to write all figures to")
    ] = None


@dataclass(frozen=True, slots=True)
class SentTracks:
    """The tables, tracks and weights selected by the options."""

    tables: CodecTables
    clips: list[Clip]
    weights: tuple[float, ...]  # of the keypoints; empty: all equal


def sent_tracks(options: SentTracksOptions) -> SentTracks:
    """Reads tables and tracks; raises as `read_tables` and `load_tracks` do."""
    tables = read_tables(tables_file(options.models, options.model))
    clips = [clip.numpy() for clip in load_tracks(options.tracks).subset(options.part)]
    known = CONFIGURATIONS.get(options.model)
    return SentTracks(tables, clips, () if known is None else source_weights(known))


def predictor_file(models: Path, model: str) -> Path:
    """Returns where a repository has a configuration's predictor."""
    return models / f"{model}_predictor" / "1" / "model.onnx"


def write_lines(path: Path | None, command: str, lines: Sequence[Any]) -> None:
    """Writes dataclasses as the `rows` of a JSON file, with the provenance of the measurement."""
    if path is not None:
        with whole_file(path) as unfinished:
            content = {"command": command, "rows": [asdict(one) for one in lines]}
            write_json(unfinished, {**provenance([]), **content})
