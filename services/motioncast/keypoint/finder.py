"""The face finder: pictures of any size -> their faces, all pictures of a call in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from motioncast.framing import FINDER, FINDER_SIZE, Face, Letterbox, looks, seen
from motioncast.inference import Engine, MeasuredEngine, finds_faces
from motioncast.serving import Deadline
from motioncast.wire.errors import UnknownModelError
from motioncast.wire.images import Pixels


@dataclass(frozen=True, slots=True)
class Finding:
    """The face finder's output.

    Attributes:
        faces: The faces of each picture, in its pixels, the most certain first.
        seconds: Duration of the model's runs.
    """

    faces: list[list[Face]]
    seconds: float


class Finder:
    """Finds faces with an engine's face finder, if it has one."""

    def __init__(self, engine: Engine, measured: MeasuredEngine) -> None:
        self._engine = engine
        self._measured = measured

    @property
    def is_served(self) -> bool:
        """Whether the engine has a face finder."""
        return finds_faces(self._engine)

    async def find(
        self, squares: Sequence[tuple[Pixels, Letterbox]], deadline: Deadline
    ) -> Finding:
        """Returns the faces of letterboxed pictures.

        Raises:
            UnknownModelError: There is no face finder.
            DeadlineError: Time ran out.
        """
        if not self.is_served:
            raise UnknownModelError(
                f"model: no {FINDER} is served that takes {FINDER_SIZE} x {FINDER_SIZE} pixels"
            )
        faces: list[list[Face]] = [[] for _ in squares]
        seconds = 0.0
        for number, looks_at in enumerate(zip(*(looks(one) for one, _ in squares), strict=True)):
            empty = [place for place, found in enumerate(faces) if not found]
            if number and not empty:
                break
            image = np.stack([looks_at[place][0] for place in empty])
            run = await self._measured.infer(FINDER, {"image": image}, deadline.remaining_seconds())
            seconds += run.seconds
            for place, candidates in zip(empty, run["faces"], strict=True):
                faces[place] = seen(candidates, looks_at[place][1])
        in_pictures = [
            [letterbox.back(face) for face in found]
            for found, (_, letterbox) in zip(faces, squares, strict=True)
        ]
        return Finding(in_pictures, seconds)
