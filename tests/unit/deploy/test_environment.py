"""The environment created by `make test` runs the checkout's code, not copies."""

from __future__ import annotations

from pathlib import Path

import motioncast

ROOT = Path(__file__).resolve().parents[3]


def test_every_part_comes_from_the_checkout() -> None:
    """A copy in site-packages would hide changes in the checkout."""
    parts = {Path(one) / name for one in motioncast.__path__ for name in ("export", "inference")}
    there = sorted(part.relative_to(ROOT) for part in parts if part.is_dir())
    assert there == [Path("export/motioncast/export"), Path("services/motioncast/inference")]
