"""Stills with ICC profiles: what colour they mean, and profiles that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

from motioncast.media import read_image

COLOUR = (200, 120, 40)


def profile(*, exchanged: bool) -> bytes:
    """Returns sRGB; or the space whose red is sRGB's blue and whose blue is its red."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if not exchanged:
        return data
    return (
        data.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)
    )


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_profile_says_what_colours_mean(tmp_path: Path, suffix: str, mode: str) -> None:
    image = PIL.Image.new("RGB", (8, 8), COLOUR).convert(mode)
    for exchanged in (False, True):
        path = tmp_path / f"{exchanged}{suffix}"
        image.save(path, icc_profile=profile(exchanged=exchanged), lossless=True)
        meant = COLOUR[::-1] if exchanged else COLOUR
        assert np.abs(read_image(path, None).astype(int) - meant).max() <= 1


@pytest.mark.parametrize("damaged", [b"no profile", profile(exchanged=False)[:200]])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_damaged_profile_loses_no_picture(tmp_path: Path, damaged: bytes, mode: str) -> None:
    image = PIL.Image.new("RGB", (8, 8), COLOUR).convert(mode)
    image.save(tmp_path / "a.tif", icc_profile=damaged)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", None), image.convert("RGB"))


def test_a_profile_of_another_space_is_left_aside(tmp_path: Path) -> None:
    image = PIL.Image.new("L", (8, 8), 90)
    image.save(tmp_path / "a.png", icc_profile=profile(exchanged=True))
    assert (read_image(tmp_path / "a.png", None) == 90).all()
