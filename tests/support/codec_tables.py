"""Small codec tables generated from a formula."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from motioncast.codec import CodecTables, write_tables
from motioncast.codec.lattice import UNIT


def geometric_rows(rows: int = 64, symbols: int = 16) -> np.ndarray:
    """Returns frequencies (rows, symbols), geometric in each row c with ratio m / (1 + m).

    m = 2^((c - 40) / 4); every frequency is at least 1, and each row sums to 2^15.
    """
    table = []
    for c in range(rows):
        mean = 2.0 ** ((c - 40) / 4)
        shares = [(mean / (1 + mean)) ** n for n in range(symbols)]
        row = [1 + int((32768 - symbols) * share / sum(shares)) for share in shares]
        row[0] += 32768 - sum(row)
        table.append(row)
    return np.array(table, np.int64)


def plain_tables(keypoints: int, step: int = 80) -> CodecTables:
    """Returns tables without a transform, for motion of about one step."""
    values = 3 * keypoints
    return CodecTables(
        keypoints=keypoints,
        matrix=np.eye(values, dtype=np.int64) * UNIT,
        steps=np.full(values, step, np.int64),
        profiles=np.full((3, values), 40, np.int64),
        scales=np.full((3, 16), 2048, np.int64),
        classes=geometric_rows(),
    )


def turned_tables(keypoints: int, components: int, seed: int = 0) -> CodecTables:
    """Returns tables with a transform to orthogonal components, each a mix of all values."""
    values = 3 * keypoints
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(values, values)))[0]
    plain = plain_tables(keypoints)
    return CodecTables(
        keypoints=keypoints,
        matrix=np.rint(basis[:components] * UNIT).astype(np.int64),
        steps=plain.steps[:components],
        profiles=plain.profiles[:, :components],
        scales=plain.scales,
        classes=plain.classes,
    )


def add_tables(repository: Path, tables: CodecTables, configuration: str = "toy") -> str:
    """Writes the tables of a repository's configuration; returns their SHA-256."""
    data = write_tables(tables).encode()
    (repository / f"{configuration}_keypoint" / "codec.json").write_bytes(data)
    return hashlib.sha256(data).hexdigest()
