"""Frames spooled to a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from motioncast.cli.spool import Spool


def test_images_come_back_in_order_and_as_they_were(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", height=4, width=6)
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 3), dtype=np.uint8)
    for image in images:
        spool.append(image)
    assert len(spool) == 3
    for index in (2, 0, 1):
        np.testing.assert_array_equal(spool[index], images[index])


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", height=4, width=6)
    with pytest.raises(ValueError, match="shape"):
        spool.append(np.zeros((6, 4, 3), np.uint8))


@pytest.mark.parametrize("index", [-1, 0])
def test_there_is_nothing_outside(tmp_path: Path, index: int) -> None:
    with pytest.raises(IndexError):
        Spool(tmp_path / "spool", height=4, width=6)[index]
