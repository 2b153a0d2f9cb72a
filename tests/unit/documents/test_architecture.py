"""ARCHITECTURE.md's table of rooms lists every room and every dependency in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
SOURCES: Final = ("proto", "services", "clients", "training", "export")
ROW: Final = re.compile(r"^\| `(?:\w+)/motioncast/([\w{},]+)` \| .* \| (.*) \|$", re.MULTILINE)
SERVICES: Final = frozenset(
    {"keypoint", "predictor", "synthesis", "orchestrator", "relay", "model_server", "triton"}
)


def rooms_of_the_code() -> dict[str, list[Path]]:
    """Returns the files of every room, without generated ones."""
    rooms: dict[str, list[Path]] = {}
    for source in SOURCES:
        for file in (ROOT / source / "motioncast").rglob("*.py"):
            room = file.relative_to(ROOT / source / "motioncast").parts[0]
            if room != "v1":
                rooms.setdefault(room, []).append(file)
    return rooms


def rooms_of_the_table() -> dict[str, frozenset[str] | None]:
    """Returns what every room may import; None means anything."""
    table: dict[str, frozenset[str] | None] = {}
    for names, arrows in ROW.findall((ROOT / "ARCHITECTURE.md").read_text("utf-8")):
        stated = frozenset(re.findall(r"`(\w+)`", arrows))
        if "the services" in arrows:
            stated |= SERVICES
        for name in names.strip("{}").split(","):
            table[name] = None if arrows.startswith("everything") else stated
    return table


def imported_rooms(files: list[Path]) -> set[str]:
    return {
        name.split(".")[1]
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        for name in _names(node)
        if name.startswith("motioncast.")
    }


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module == "motioncast":
        yield from (f"motioncast.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        yield node.module


CODE: Final = rooms_of_the_code()
TABLE: Final = rooms_of_the_table()


def test_every_room_is_in_the_table_and_every_row_is_a_room() -> None:
    assert set(CODE) == set(TABLE) - {"v1"}


@pytest.mark.parametrize("room", sorted(CODE))
def test_every_arrow_of_a_room_is_in_the_table(room: str) -> None:
    allowed = TABLE[room]
    if allowed is not None:
        assert imported_rooms(CODE[room]) - {room} <= allowed
