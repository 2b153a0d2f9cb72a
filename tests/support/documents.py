"""Extracts the commands printed in documents, as a reader would type them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    [ROOT / "README.md", ROOT / "deploy" / "README.md", *(ROOT / "docs").rglob("*.md")]
)
_BLOCKS: Final = re.compile(
    r"^```(?:sh)?\n(.*?)^```|((?:^    \S[^\n]*\n(?:^     .*\n)*)+)", re.S | re.M
)
_OURS: Final = re.compile(r"(?:motioncast (?!:)|python -m motioncast\.|torchrun )\S")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as printed in a document."""

    page: str  # relative to the repository's root
    text: str  # without the trailing comment

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def commands(page: Path) -> list[Command]:
    """Returns our commands on a page, in order, with one for each alternative of `a|b`."""
    name = page.relative_to(ROOT).as_posix()
    return [
        Command(name, text) for line in _lines(page.read_text("utf-8")) for text in _spelt_out(line)
    ]


def _lines(text: str) -> Iterator[str]:
    for fenced, indented in _BLOCKS.findall(text):
        block = re.sub(r"\\\n\s*", " ", fenced or indented)
        for line in block.splitlines():
            command = re.split(r"\s+#\s", line.strip())[0].strip()
            if _OURS.match(command):
                yield command


def _spelt_out(line: str) -> list[str]:
    """Returns a line without the brackets around optional parts, once per alternative."""
    words = line.replace("[", "").replace("]", "").split()
    choices = [word.split("|") if "|" in word else [word] for word in words]
    return [" ".join(chosen) for chosen in product(*choices)]
