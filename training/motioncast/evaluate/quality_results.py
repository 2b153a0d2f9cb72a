"""Shared by evaluations of networks on clips: options, and results that are written atomically."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from motioncast.data.arguments import DataOptions
from motioncast.data.clip_cache import ClipCache
from motioncast.evaluate.pipelines import Pipeline, PipelineOptions
from motioncast.evaluate.provenance import provenance, sha256
from motioncast.evaluate.results import results_folder, write_json, write_table
from motioncast.media import unfinished_folder


@dataclass(frozen=True, kw_only=True)
class QualityOptions(DataOptions, PipelineOptions):
    """What is evaluated on which clips, and where the results go."""

    clips: Annotated[
        int, typer.Option(help="number of clips to use, evenly spread over the folder")
    ] = 12
    all: Annotated[bool, typer.Option("--all", help="use every clip of the folder")] = False
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file to write all figures to")
    ] = None
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder to write a page and tables to")
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="replace earlier results in the folder")
    ] = False


@dataclass(frozen=True, slots=True)
class QualityResults:
    """The results of one run of a command."""

    command: str
    page: str  # Markdown
    networks: Mapping[str, Mapping[str, str]]  # digests of files, by networks
    summary: Sequence[Any]  # dataclasses of one kind
    clips: Sequence[Any]  # dataclasses of one kind

    def write(self, options: QualityOptions, name: str) -> None:
        """Writes the requested outputs, including DIR/name.

        Raises ResultsError when something is already in the place of the results.
        """
        if options.json is not None:
            with whole_file(options.json) as unfinished:
                text = json.dumps(self._content(), indent=2, allow_nan=False)
                unfinished.write_text(text + "\n")
        if options.out is not None:
            with results_folder(options.out / name, options.force) as unfinished:
                (unfinished / "README.md").write_text(self.page + "\n")
                for file, rows in (("summary", self.summary), ("per_clip", self.clips)):
                    flat = [_flat(row) for row in rows]
                    write_table(unfinished / f"{file}.csv", list(flat[0]), flat)
                write_json(unfinished / "results.json", self._content())

    def _content(self) -> dict[str, Any]:
        """Returns all results, ready for JSON; NaN becomes None."""
        return {
            "command": self.command,
            **provenance([]),
            "networks": self.networks,
            "summary": [_plain(row) for row in self.summary],
            "clips": [_plain(row) for row in self.clips],
        }


def chosen_clips(clips: ClipCache, limit: int | None) -> list[int]:
    """Returns the clips to evaluate, evenly spaced over the folder when there is a limit."""
    return spread(len(clips), len(clips) if limit is None else limit)


def spread(count: int, limit: int) -> list[int]:
    """Returns up to `limit` of the indices below `count`, evenly spaced."""
    return [round(place) for place in np.linspace(0, count - 1, min(limit, count)).tolist()]


def digests(pipelines: Sequence[Pipeline]) -> dict[str, dict[str, str]]:
    """Returns the SHA-256 of every file of some networks, by network and file."""
    return {
        pipeline.name: {_short(file): sha256(file) for file in pipeline.files}
        for pipeline in pipelines
    }


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path that is renamed to `path` if the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished_folder(path.parent, f".{path.name}-") as unfinished:
        aside = unfinished / path.name
        yield aside
        os.replace(aside, path)


def _plain(row: Any) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in _flat(row).items()
    }


def _flat(row: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass; the mapping `figures` becomes separate fields."""
    found = asdict(row)
    figures: dict[str, Any] = found.pop("figures", {})
    return found | figures


def _short(file: Path) -> str:
    """Returns `<model>/<version>/model.onnx` of a file in a repository, else the file's name."""
    return "/".join(file.parts[-3:]) if file.suffix == ".onnx" else file.name
