"""Writes the means of an experiment as CSV: by clip, and by initialisation."""

import csv
from collections.abc import Sequence
from pathlib import Path

from motioncast.evaluate.results import cell
from motioncast.paper.summary import Scope, Section


def write_per_clip(path: Path, sections: Sequence[Section], clips: Sequence[str]) -> None:
    """Writes the means over the predicted frames of every clip, initialisation and mode."""
    measures = list(dict.fromkeys(name for section in sections for name in section.values))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["mode", "predictor", "initialisation", "clip", "video", *measures])
        for section in sections:
            chosen = section.frames_of("predicted")
            means = {
                name: values[..., chosen].mean(axis=-1) for name, values in section.values.items()
            }
            for index, row in enumerate(section.rows):
                for clip, name in enumerate(clips):
                    cells = [
                        cell(float(means[measure][index, clip])) if measure in means else ""
                        for measure in measures
                    ]
                    seed = "" if row.seed is None else row.seed
                    head = [section.mode, row.kind, seed, name, section.videos[clip]]
                    writer.writerow([*head, *cells])


def write_per_initialisation(path: Path, sections: Sequence[Section]) -> None:
    """Writes one line per initialisation and measure: the data of the box plots."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["mode", "predictor", "initialisation", "measure", "frames", "value"])
        for section in sections:
            for measure in (*section.values, *section.singles):
                scopes: tuple[Scope, ...] = (
                    ("all",) if measure in section.singles else ("all", "predicted")
                )
                for kind in section.kinds():
                    seeds = [section.rows[index].seed for index in section.of_kind(kind)]
                    for scope in scopes:
                        figures = section.per_initialisation(measure, kind, scope)
                        for seed, value in zip(seeds, figures.tolist(), strict=True):
                            cells = ["" if seed is None else seed, measure, scope, cell(value)]
                            writer.writerow([section.mode, kind, *cells])
