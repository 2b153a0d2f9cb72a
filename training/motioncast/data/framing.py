"""Frames clips as the product does: one crop per clip, around the face in its first frame.

The finder is the served model; the rest is the code of `motioncast.framing`, which services and
devices also run.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from motioncast.client.errors import MediaError
from motioncast.client.framing import FaceFinder
from motioncast.framing import FINDER, LOOK_EVERY, Crop, Face, cut, foremost
from motioncast.framing.camera import first_crop
from motioncast.inference.repository import default_repository, find_models

Frame = Literal["off", "fixed"]
FRAMES: tuple[Frame, ...] = ("off", "fixed")
RULE: Final = 2  # increment when the same pictures would be cut differently


@dataclass(frozen=True)
class ClipFraming:
    """Frames whole clips with a finder; a clip without a face shows its centre square."""

    finder: Path  # the model's file

    @classmethod
    def shipped(cls) -> "ClipFraming":
        """Returns the framing with the finder of the default model repository.

        Raises FileNotFoundError if the repository has none.
        """
        repository = default_repository()
        file = find_models(repository).get(FINDER)
        if file is None:
            raise FileNotFoundError(f"frame: {repository} has no model {FINDER}")
        return cls(file)

    @cached_property
    def options(self) -> str:
        """The settings that determine how clips are cut: the rule and the finder."""
        digest = hashlib.sha256(self.finder.read_bytes()).hexdigest()[:16]
        return f"framed:{RULE}:{digest}"

    def cut(self, pictures: Iterable[npt.NDArray[np.uint8]], size: int) -> list[np.ndarray]:
        """Returns the pictures (H, W, 3) of a clip as frames (size, size, 3), all with one crop."""
        crop, frames = None, []
        for picture in pictures:
            crop = crop or self.crop(picture)
            frames.append(cut(picture, crop, size))
        return frames

    def steady_crop(self, pictures: Iterable[npt.NDArray[np.uint8]]) -> Crop | None:
        """Returns the product's crop for the median of the faces in a clip, which are searched for
        in every fifth frame; None if no face is found.

        It is for clips available as a whole, whose first frame may be unlike the others.
        """
        boxes = []
        for picture in islice(pictures, 0, None, LOOK_EVERY):
            height, width, _ = picture.shape
            face = foremost(self._faces.find(picture), width, height)
            if face is not None:
                boxes.append(astuple(face))
        if not boxes:
            return None
        median = Face(*np.median(boxes, axis=0).tolist())
        return first_crop([median], width, height).rounded()

    def crop(self, picture: npt.NDArray[np.uint8]) -> Crop:
        """Returns the product's crop for a single picture (H, W, 3)."""
        height, width, _ = picture.shape
        return first_crop(self._faces.find(picture), width, height).rounded()

    @cached_property
    def _faces(self) -> FaceFinder:
        try:
            return FaceFinder(self.finder, threads=1)
        except MediaError as error:
            raise ValueError(f"frame: {error}") from error
