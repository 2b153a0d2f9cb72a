"""No six consecutive lines occur in two function bodies; they should be a function."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDERS: Final = ("proto", "services", "clients", "training", "export", "tests/support")
LINES: Final = 6
LEAST: Final = 120  # characters in all six, so that closing brackets do not count
FORMAT: Final = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}

# Pairs of files that may share six lines, and why.
ALLOWED: Final = {
    ("client/connection.py", "client/sync.py"): "the same calls, awaited by one of the two",
    ("models/mediapipe/mesh.py", "models/mediapipe/mesh.py"): "layers of two published networks",
    (
        "cli/commands/bench.py",
        "cli/commands/bench_pipelines.py",
    ): "options passed on by their names",
}


def test_nothing_is_written_twice() -> None:
    found = defaultdict(list)
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if not file.name.endswith(("_pb2.py", "_pb2_grpc.py")):
                name = file.relative_to(ROOT).as_posix()
                for lines, number in _windows(file.read_text("utf-8")):
                    found[lines].append((name, number))
    twice = {
        f"{one}:{first} and {other}:{second}"
        for places in found.values()
        for (one, first), (other, second) in [(places[0], place) for place in places[1:]]
        if not any(one.endswith(a) and other.endswith(b) for a, b in ALLOWED)
    }
    assert not twice, "\n".join(sorted(twice))


def _windows(source: str) -> Iterator[tuple[str, int]]:
    """Yields the tokens of every six consecutive lines of a function's body, and their line."""
    lines: dict[int, list[str]] = defaultdict(list)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in FORMAT:
            lines[token.start[0]].append(token.string)
    for body in _bodies(ast.parse(source)):
        code = [(number, " ".join(lines[number])) for number in body if number in lines]
        for place in range(len(code) - LINES + 1):
            window = "\n".join(text for _, text in code[place : place + LINES])
            if len(window) >= LEAST:
                yield window, code[place][0]


def _bodies(tree: ast.Module) -> Iterator[range]:
    """Yields the line ranges of outermost functions, from after the docstring."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if first:
                yield range(first[0].lineno, (node.end_lineno or 0) + 1)
        elif isinstance(node, ast.ClassDef):
            yield from _bodies(ast.Module(node.body, []))
