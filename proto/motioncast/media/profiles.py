"""Converts a still's colours by its embedded ICC profile, using littlecms."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import PIL.Image
from PIL import ImageCms

MAX_PROFILE_BYTES: Final = 2**22  # printer profiles have about half of that
_OWN_SPACE: Final = frozenset({"L", "RGB", "CMYK"})


class Profile:
    """Converts the colours of one still to sRGB; without a usable profile they are unchanged."""

    def __init__(self, mode: str, data: object) -> None:
        """Takes Pillow's mode of the still and the embedded data, which may be anything."""
        self._transform: ImageCms.ImageCmsTransform | None = None
        self._mode = mode if mode in _OWN_SPACE else "RGB"
        if mode == "LAB" or not isinstance(data, bytes) or len(data) > MAX_PROFILE_BYTES:
            return
        try:
            self._transform = ImageCms.ImageCmsTransform(
                ImageCms.ImageCmsProfile(BytesIO(data)),
                ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
                self._mode,
                "RGB",
            )
        except Exception:  # a damaged profile, or one for another space, must not lose the picture
            return

    @classmethod
    def of(cls, image: PIL.Image.Image) -> Profile:
        """Returns the profile of an image that Pillow opened."""
        return cls(image.mode, image.info.get("icc_profile"))

    def rgb(self, image: PIL.Image.Image) -> PIL.Image.Image:
        """Returns an image, or a band of it, in mode RGB; its opacity is dropped."""
        if self._transform is None:
            return image.convert("RGB")
        return self._transform.apply(image.convert(self._mode))
