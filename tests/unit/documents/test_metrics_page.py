"""docs/metrics.md says where each kind of metric is written."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEADINGS = re.findall(
    r"^## .*\((`.*`)\)$", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.MULTILINE
)
ROOMS = {
    "motioncast.quality": "proto/motioncast/quality",
    "motioncast.metrics": "training/motioncast/metrics",
    "motioncast.paper.metrics": "training/motioncast/paper/metrics",
}


def test_every_section_names_modules() -> None:
    assert len(HEADINGS) == 10


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_modules_of_a_heading_exist(heading: str) -> None:
    room = ""
    for name in re.findall(r"`([\w.]+)`", heading):
        if name in ROOMS:
            room = name
            continue
        parent, _, module = name.rpartition(".")
        assert (ROOT / ROOMS[parent or room] / f"{module}.py").is_file(), name
