"""Rate against quality: keypoints, x264, x265, VP9 and AV1 in real time, on the same frames.

    motioncast evaluate rate --data videos/test --frame fixed --model face256 --clips 10 --limit 75
    python -m motioncast.evaluate.rate.command (the same)

Rates are those of the codec's bytes, with headers, and on the wire; the first picture is counted
separately and spread over calls of 10 and 60 seconds. Codecs run with live-call presets, from their
lowest rate up, at the clip's frame rate, at half and at a quarter of it, AV1 also at half the size.
With --work FOLDER each finished clip is kept there, and an interrupted run continues.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final

import av
import numpy as np
import typer
from tqdm import tqdm

from motioncast.client.errors import MotioncastError
from motioncast.client.forecasting import KeypointPredictor
from motioncast.codec import CodecTables, EncodingError, TablesError, read_tables
from motioncast.codec.tables_file import FILE_NAME
from motioncast.data.arguments import open_data
from motioncast.data.command_line import Program, refusing
from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.pipelines import Pipeline, open_pipelines, sent_keypoints
from motioncast.evaluate.provenance import provenance
from motioncast.evaluate.quality_results import (
    QualityOptions,
    QualityResults,
    chosen_clips,
    digests,
    whole_file,
)
from motioncast.evaluate.rate.measuring import Point, Truth
from motioncast.evaluate.rate.ours import our_streams
from motioncast.evaluate.rate.page import as_page
from motioncast.evaluate.rate.pictures import RatePictures
from motioncast.evaluate.rate.plots import draw
from motioncast.evaluate.rate.stream import Stream
from motioncast.evaluate.rate.summary import differences, means, needs
from motioncast.evaluate.rate.videocodecs import CODECS, VideoCodec, codecs_here, video_streams
from motioncast.evaluate.results import check_replaceable
from motioncast.quality.expression import shows_expression
from motioncast.sending import Forecaster
from motioncast.wire.errors import DomainError

_NAMES: Final = frozenset(one.name.split(",")[0] for one in CODECS)
VERSION: Final = 1  # increment when the same clip would be measured differently


@dataclass(frozen=True, kw_only=True)
class RateOptions(QualityOptions):
    """What is measured, on how much of which clips."""

    limit: Annotated[
        int | None, typer.Option(min=3, metavar="T", help="maximum number of frames of each clip")
    ] = None
    frame_rate: Annotated[float, typer.Option(min=1, max=240, help="frame rate of the clips")] = (
        25.0
    )
    every: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="measure SSIM, MS-SSIM and VIF on every N-th frame"),
    ] = 5
    codec: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="video codec to compare with, x264, x265, VP9 or AV1; may be repeated"
            " (default: all)",
        ),
    ] = None
    work: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="folder to keep the figures of finished clips in"),
    ] = None
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="folder for JPEGs that show frames next to the codecs' at the nearest rate",
        ),
    ] = None
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PNG file to draw the curves to")
    ] = None


def run(options: RateOptions, command: str) -> None:
    """Evaluates and prints; raises Refusal for invalid input."""
    expected = (TablesError, EncodingError, DomainError, MotioncastError, OSError, ValueError)
    with refusing(*expected, av.FFmpegError):
        if options.out is not None:
            check_replaceable(options.out / "rate", options.force)
        rivals = _chosen(options.codec)
        with open_pipelines(options) as opened:
            if len(opened) != 1:
                raise ValueError("--model: expected a single model")
            pipeline = opened[0]
            clips = open_data(options, pipeline.size)
            tables = read_tables(pipeline.files[0].parents[1] / FILE_NAME)
            forecaster = _forecaster(pipeline)
            networks = digests(opened)
            points: list[Point] = []
            for clip in tqdm(chosen_clips(clips, None if options.all else options.clips)):
                frames = np.array(clips.clip(clip)[: options.limit])
                name = clips.names[clip]
                key = _key(networks, frames, options)
                found = None if options.pictures else _kept(options.work, name, key)
                if found is None:
                    truth = _truth(pipeline, name, frames, options.every)
                    streams = chain(
                        _ours(pipeline, tables, truth, options.frame_rate, forecaster),
                        video_streams(frames, options.frame_rate, rivals),
                    )
                    found = _measured(truth, streams, options.pictures)
                    _keep(options.work, name, key, found)
                points += found
    lines = means(points)
    codecs = _codecs(lines)
    needed, differing = needs(lines, codecs), differences(lines, codecs)
    page = as_page(lines, needed, differing, str(options.data), command)
    whole = replace(options, json=None)  # that file holds only means: a document uses it
    QualityResults(command, page, networks, lines, points).write(whole, "rate")
    if options.json is not None:
        content = {"command": command, **provenance([]), "networks": networks}
        content |= {"rows": _plain(lines), "needs": _plain(needed)}
        content["differences"] = _plain(differing)
        with whole_file(options.json) as unfinished:
            unfinished.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
    if options.plot is not None:
        draw(lines, codecs, options.plot, f"{options.data}, {pipeline.name}: {lines[0].clip}")
    print(page)


def _plain(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Returns dataclasses ready for JSON, rounded to four digits; NaN becomes None."""
    return [{name: _short(value) for name, value in asdict(row).items()} for row in rows]


def _short(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _is_codec(method: str) -> bool:
    return method.split(",")[0] in _NAMES


def _chosen(names: Sequence[str] | None) -> list[VideoCodec]:
    unknown = sorted(set(names or ()) - _NAMES)
    if unknown:
        expected = ", ".join(sorted(_NAMES))
        raise ValueError(f"--codec: {unknown[0]!r} is unknown (expected one of {expected})")
    return [one for one in codecs_here() if not names or one.name.split(",")[0] in names]


def _truth(pipeline: Pipeline, name: str, frames: Frames, every: int) -> Truth:
    keypoints = pipeline.detect(frames).numpy()
    anchored = shows_expression(pipeline.anchored_keypoints)
    return Truth(name, frames, keypoints, pipeline.detect, anchored=anchored, every=every)


def _ours(
    pipeline: Pipeline,
    tables: CodecTables,
    truth: Truth,
    rate: float,
    forecaster: Forecaster | None,
) -> Iterator[Stream]:
    keypoints = sent_keypoints(pipeline, truth.clip).numpy()
    return our_streams(pipeline, tables, truth.clip, keypoints, rate, forecaster)


def _measured(truth: Truth, streams: Iterable[Stream], folder: Path | None) -> list[Point]:
    """Measures streams one after the other, and writes sample pictures into the folder."""
    pictures = None if folder is None else RatePictures(truth.name, truth.clip)
    points = []
    for stream in streams:
        points.append(truth.measure(stream))
        if pictures is not None:
            pictures.add(stream, points[-1])
    if folder is not None and pictures is not None:
        pictures.write(folder, _codecs(points))
    return points


def _codecs(points: Sequence[Point]) -> list[str]:
    return [method for method in dict.fromkeys(o.method for o in points) if _is_codec(method)]


def _forecaster(pipeline: Pipeline) -> Forecaster | None:
    """Returns the predictor as senders and receivers run it; None if it is a checkpoint."""
    model = next((one for one in pipeline.files if "_predictor" in str(one)), None)
    return KeypointPredictor(model) if model is not None and model.suffix == ".onnx" else None


def _key(networks: Mapping[str, Any], frames: Frames, options: RateOptions) -> str:
    """Returns a key that changes whenever a clip's figures have to be measured again."""
    digest = hashlib.sha256(np.ascontiguousarray(frames).tobytes())
    settings = [VERSION, networks, options.frame_rate, options.every, options.codec]
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()


def _kept(work: Path | None, name: str, key: str) -> list[Point] | None:
    if work is None or not (file := _file(work, name)).exists():
        return None
    content = json.loads(file.read_text("utf-8"))
    if content.get("key") != key:
        return None
    return [
        Point(**{name: _read(value) for name, value in one.items()}) for one in content["points"]
    ]


def _read(value: Any) -> Any:
    return math.nan if value == "nan" else value


def _keep(work: Path | None, name: str, key: str, points: list[Point]) -> None:
    if work is None:
        return
    rows = [
        {name: "nan" if value != value else value for name, value in asdict(one).items()}
        for one in points
    ]
    with whole_file(_file(work, name)) as unfinished:
        unfinished.write_text(json.dumps({"key": key, "points": rows}) + "\n", "utf-8")


def _file(work: Path, name: str) -> Path:
    return work / f"{name.replace('/', '_')}.json"


main = Program("motioncast evaluate rate", RateOptions, run, __doc__)


if __name__ == "__main__":
    main()
