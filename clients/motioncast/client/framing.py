"""Framing on the sender's machine, with the same code and face finder as the server.

    finder = FaceFinder("model_repository/face_finder/1/model.onnx")
    framing = DeviceFraming(finder, "auto", detector.height, frame_rate=25.0)
    source = framing.begin(pictures[0])
    keypoints = detector.observed(pictures, observed=5, predicted=5, framing=framing)
    async for frame in service.stream_keypoints(keypoints, source=source.image): ...

The crops are the same as the server would choose for these pictures. Needs
`pip install 'motioncast[device]'`.
"""

from __future__ import annotations

from os import PathLike

import numpy as np

from motioncast.client.errors import InvalidRequestError, MediaError
from motioncast.client.onnx import open_model
from motioncast.client.options import framing as framing_mode
from motioncast.client.types import Framing, Pixels
from motioncast.framing import (
    FINDER_SIZE,
    Face,
    Framed,
    Framer,
    FramingMode,
    letterboxed,
    looks,
    portrait,
    seen,
    size_problem,
)


class FaceFinder:
    """Finds faces with the model `face_finder`.

    Args:
        model: Path of its `model.onnx`.
        threads: Threads per call; 0 for one per core.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        MediaError: The file is missing or is not a face finder.
    """

    def __init__(self, model: str | PathLike[str], *, threads: int = 0) -> None:
        self._session = open_model(model, threads, "a face finder")
        inputs = {one.name: one.shape[1:] for one in self._session.get_inputs()}
        outputs = [one.name for one in self._session.get_outputs()]
        if inputs != {"image": [FINDER_SIZE, FINDER_SIZE, 3]} or outputs != ["faces"]:
            raise MediaError(f"{model}: not a face finder")

    def find(self, picture: Pixels) -> list[Face]:
        """Returns the faces of a picture (H, W, 3) uint8 RGB, in its pixels, most certain first.

        Raises:
            InvalidRequestError: The picture is malformed, or too small or too large.
        """
        square, letterbox = letterboxed(_checked(picture))
        for image, look in looks(square):
            (candidates,) = self._session.run(["faces"], {"image": image[np.newaxis]})
            if faces := seen(candidates[0], look):
                return [letterbox.back(face) for face in faces]
        return []


class DeviceFraming:
    """The virtual camera of one session: takes pictures, returns images of the model's size.

    Args:
        finder: Finds the faces.
        mode: "auto" follows the face slowly, "fixed" keeps the first picture's crop.
        size: Height and width of the model's images in pixels.
        frame_rate: Frames per second of the video.

    Raises:
        InvalidRequestError: The mode is neither of the two, or a number is not above 0.
    """

    def __init__(
        self, finder: FaceFinder, mode: Framing, size: int, *, frame_rate: float = 25.0
    ) -> None:
        chosen = framing_mode("mode", mode)
        if chosen is FramingMode.OFF:
            raise InvalidRequestError.of(
                "mode", "'off' does not frame (expected 'auto' or 'fixed')"
            )
        for field, value in (("size", size), ("frame_rate", frame_rate)):
            if not value > 0:
                raise InvalidRequestError.of(field, f"{value:g} is not above 0")
        self._finder = finder
        self._size = size
        self._framer = Framer(chosen, size, frame_rate)

    def begin(self, picture: Pixels) -> Framed:
        """Returns the video's first picture as the source; the camera starts there."""
        return self._framer.begin(picture, self._finder.find(picture))

    def portrait(self, picture: Pixels) -> Framed:
        """Returns a picture that is framed on its own: a further source."""
        return portrait(_checked(picture), self._finder.find(picture), self._size)

    def frame(self, index: int, picture: Pixels) -> Framed:
        """Returns frame `index` of the timeline; frames that are not sent need not be framed.

        Args:
            index: Greater than the previous one.
            picture: (H, W, 3) uint8 RGB, of the same size as the previous ones.

        Raises:
            InvalidRequestError: The picture is malformed, or of another size.
        """
        picture = _checked(picture)
        size = self._framer.pictures
        if size is not None and (picture.shape[1], picture.shape[0]) != size:
            problem = f"{picture.shape[1]} x {picture.shape[0]} pixels, but earlier pictures"
            raise InvalidRequestError.of("picture", f"{problem} have {size[0]} x {size[1]}")
        faces = self._finder.find(picture) if self._framer.looks(index) else None
        return self._framer.frame(index, picture, faces)


def _checked(picture: Pixels) -> Pixels:
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        problem = f"shape {array.shape} of {array.dtype}, but a picture is (H, W, 3) of uint8"
        raise InvalidRequestError.of("picture", problem)
    wrong = size_problem(array.shape[1], array.shape[0])
    if wrong is not None:
        raise InvalidRequestError.of("picture", wrong)
    return array
