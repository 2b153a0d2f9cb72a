"""Writes the results of an evaluation atomically: CSV for spreadsheets, JSON for programs.

A results folder is written next to its final place and renamed; an existing folder is replaced
only if it is empty, or holds earlier results of this program that may be overwritten.
"""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from motioncast.media import unfinished_folder

SCHEMA = "motioncast.evaluation/1"
RESULTS = "results.json"


class ResultsError(ValueError):
    """Raised when results cannot be written to the requested place; the message says why."""


@contextmanager
def results_folder(folder: Path, force: bool) -> Iterator[Path]:
    """Yields an empty folder that becomes `folder` when the block ends without an error.

    Raises ResultsError before anything is computed when `folder` is not empty: always for foreign
    content, and for results of this program unless `force` is set.
    """
    check_replaceable(folder, force)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with unfinished_folder(folder.parent, f".{folder.name}-") as unfinished:
        yield unfinished
        unfinished.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(unfinished, folder)


def check_replaceable(folder: Path, force: bool) -> None:
    """Raises ResultsError when results must not be written to `folder`."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ResultsError(f"out: {folder} is not a folder")
    if not any(folder.iterdir()):
        return
    if not is_ours(folder):
        raise ResultsError(f"out: {folder} contains files that are not evaluation results")
    if not force:
        raise ResultsError(f"out: {folder} already contains results (--force replaces them)")


def is_ours(folder: Path) -> bool:
    """Returns whether a folder holds results that this program wrote."""
    try:
        content = json.loads((folder / RESULTS).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("schema") == SCHEMA


def write_records(path: Path, kind: type[Any], records: Sequence[Any]) -> None:
    """Writes dataclasses of one kind as CSV; None becomes an empty cell."""
    write_table(path, [field.name for field in fields(kind)], map(asdict, records))


def write_table(path: Path, names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows of the named columns as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: cell(value) for name, value in row.items()})


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes results with their schema's name; NaN becomes null."""
    path.write_text(json.dumps({"schema": SCHEMA, **content}, allow_nan=False) + "\n")


def cell(value: Any) -> Any:
    """Formats a value with all significant digits and no more."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if value != value else f"{value:.8g}"
    if isinstance(value, bool):
        return int(value)
    return value
