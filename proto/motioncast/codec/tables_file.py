"""Codec tables in a human-readable JSON file, `codec.json`, next to a model.

    {"format": "motioncast codec tables", "version": 1, "keypoints": K, "matrix": [[...], ...],
     "steps": [...], "profiles": [[...], ...], "scales": [[...], ...], "classes": [[...], ...]}

A null matrix means K keypoints without a transform: every value is a coefficient.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from motioncast.codec.errors import TablesError
from motioncast.codec.lattice import UNIT
from motioncast.codec.tables import MAX_KEYPOINTS, CodecTables, Integers

FILE_NAME: Final = "codec.json"
FORMAT: Final = "motioncast codec tables"
VERSION: Final = 1
MAX_FILE_BYTES: Final = 8 << 20
MAX_TRAVELLING_BYTES: Final = 1 << 20  # size limit of a file that is sent to another machine

_ARRAYS: Final = ("matrix", "steps", "profiles", "scales", "classes")


@dataclass(frozen=True, eq=False)
class ModelTables:
    """The codec tables of a model, with the file by which both ends identify them.

    Attributes:
        digest: SHA-256 of the file, 64 hexadecimal digits in lower case.
        data: The file's bytes.
        tables: The file's tables.
    """

    digest: str
    data: bytes
    tables: CodecTables

    @classmethod
    def of(cls, data: bytes) -> ModelTables:
        """Parses the bytes of a file.

        Raises:
            TablesError: They are not valid tables, or exceed 1 MiB.
        """
        if len(data) > MAX_TRAVELLING_BYTES:
            raise TablesError(f"codec tables: more than {MAX_TRAVELLING_BYTES} bytes")
        return cls(hashlib.sha256(data).hexdigest(), data, read_tables(data))


def write_tables(tables: CodecTables) -> str:
    """Returns the text of the file; identical tables give identical text."""
    plain = {name: getattr(tables, name).tolist() for name in _ARRAYS}
    if np.array_equal(tables.matrix, _identity(tables.keypoints)):
        plain["matrix"] = None
    head = {"format": FORMAT, "version": VERSION, "keypoints": tables.keypoints}
    lines = [f"{json.dumps(name)}: {_rows(value)}" for name, value in (head | plain).items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_tables(source: str | bytes | Path) -> CodecTables:
    """Returns the tables of a file, or of its contents.

    Raises:
        TablesError: They are invalid, of another version, or larger than 8 MiB.
        OSError: The file cannot be read.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(MAX_FILE_BYTES + 1)
    if len(source) > MAX_FILE_BYTES:
        raise TablesError(f"codec tables: more than {MAX_FILE_BYTES} bytes")
    try:
        plain = json.loads(source)
    except (ValueError, RecursionError):
        raise TablesError("codec tables: not valid JSON") from None
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise TablesError("codec tables: a file of a different format")
    if plain.get("version") != VERSION:
        raise TablesError(f"codec tables: version {VERSION} expected")
    keypoints = plain.get("keypoints")
    if not isinstance(keypoints, int) or not 1 <= keypoints <= MAX_KEYPOINTS:
        raise TablesError(f"codec tables: keypoints: 1 to {MAX_KEYPOINTS} expected")
    arrays = {name: _integers(name, plain.get(name)) for name in _ARRAYS if plain.get(name)}
    arrays.setdefault("matrix", _identity(keypoints))
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise TablesError(f"codec tables: {', '.join(missing)} missing")
    return CodecTables(keypoints, **arrays)


def _identity(keypoints: int) -> Integers:
    return np.eye(3 * keypoints, dtype=np.int64) * UNIT


def _integers(name: str, value: Any) -> Integers:
    try:
        array = np.array(value)
    except ValueError:
        array = np.array(None)
    if array.dtype != np.int64:
        raise TablesError(f"codec tables: {name}: whole numbers expected")
    return array


def _rows(value: Any) -> str:
    if isinstance(value, list) and isinstance(value[0], list):
        return "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in value) + "\n]"
    return json.dumps(value, separators=(",", ":"))
