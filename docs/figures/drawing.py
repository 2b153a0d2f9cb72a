"""Draws tables of figures from measurements, as Markdown between two markers of a document.

<!-- figures: NAME -->
...
<!-- end of figures -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

ROOT: Final = Path(__file__).resolve().parents[2]
MEASURED: Final = Path(__file__).resolve().parent / "measured"
BLOCK: Final = re.compile(r"<!-- figures: (\w+) -->\n(.*?)<!-- end of figures -->", re.DOTALL)
INLINE: Final = re.compile(r"(<!-- figure: (\w+) (\w+) (\S+) (\w+) (\S+) -->).*?(<!-- -->)")
Content: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, its name in the JSON and its format."""

    head: str
    name: str
    form: str = "{:.2f}"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its labels, and the file, networks and pattern of its figures."""

    names: tuple[str, ...]  # may contain {clips}, their number
    file: str
    networks: str
    pattern: str = "1:0"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A table and the files it is drawn from."""

    files: tuple[str, ...]
    draw: Callable[[], str]

    def block(self) -> str:
        """Returns the table, followed by when and where it was measured."""
        origins = dict.fromkeys(_origin(read(file)) for file in self.files)
        return f"{self.draw()}\n\n*Measured {'; '.join(origins)}.*\n"


def quality(heads: Sequence[str], rows: Sequence[Row], columns: Sequence[Column]) -> Drawing:
    """Returns a table of `motioncast evaluate synthesis` with the given rows, in order."""

    def draw() -> str:
        lines = []
        for row in rows:
            found = _summary(row.file, row.networks, row.pattern)
            names = [name.format(clips=found["clips"]) for name in row.names]
            lines.append(
                [*names, *(_cell(found.get(column.name), column.form) for column in columns)]
            )
        return table([*heads, *(column.head for column in columns)], lines, len(heads))

    return Drawing(tuple(dict.fromkeys(row.file for row in rows)), draw)


def forecasts(
    rows: Sequence[tuple[str, str, str]],
    horizons: Sequence[int] = range(1, 13),
    values: str = "error_pixels",
) -> Drawing:
    """Returns a table of `motioncast evaluate forecast`: (label, file, predictor) by horizon."""

    def draw() -> str:
        lines = [
            [label, *(f"{read(file)[values][kind][h - 1]:.3f}" for h in horizons)]
            for label, file, kind in rows
        ]
        return table(["horizon, frames", *map(str, horizons)], lines)

    return Drawing(tuple(dict.fromkeys(file for _, file, _ in rows)), draw)


def records(file: str, labels: Sequence[Column], columns: Sequence[Column]) -> Drawing:
    """Returns a table of a file's `rows`: labels first, then figures."""

    def draw() -> str:
        every = (*labels, *columns)
        lines = [
            [_cell(row.get(column.name), column.form) for column in every]
            for row in read(file)["rows"]
        ]
        return table([column.head for column in every], lines, len(labels))

    return Drawing((file,), draw)


def read(file: str) -> Content:
    """Returns a file of measurements; raises FileNotFoundError if there is none."""
    content: Content = json.loads((MEASURED / f"{file}.json").read_text("utf-8"))
    return content


def table(head: Sequence[str], lines: Sequence[Sequence[str]], text: int = 1) -> str:
    """Formats a Markdown table; the first `text` columns hold words, the others figures."""
    rule = ["---"] * text + ["---:"] * (len(head) - text)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *lines])


def rewritten(page: str, drawings: Mapping[str, Drawing]) -> str:
    """Returns a document with its tables and figures redrawn; raises KeyError for unknown names."""

    def block(found: re.Match[str]) -> str:
        name = found.group(1)
        return f"<!-- figures: {name} -->\n{drawings[name].block()}<!-- end of figures -->"

    def figure(found: re.Match[str]) -> str:
        begin, file, networks, pattern, name, form, end = found.groups()
        return f"{begin}{_summary(file, networks, pattern)[name]:{form}}{end}"

    return INLINE.sub(figure, BLOCK.sub(block, page))


def documents() -> list[Path]:
    """Returns the pages that may hold tables of figures."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _summary(file: str, networks: str, pattern: str) -> Content:
    for found in read(file)["summary"]:
        if (found["networks"], found["pattern"]) == (networks, pattern):
            summary: Content = found
            return summary
    raise KeyError(f"{file}: has no {networks} at {pattern}")


def _cell(value: Any, form: str) -> str:
    return "" if value is None else form.format(value)


def _origin(content: Content) -> str:
    machine = content["machine"]
    return f"{content['date']} on {machine['cores']} cores of {machine['processor']}"
