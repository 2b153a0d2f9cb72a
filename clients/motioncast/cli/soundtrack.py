"""The sound of the streamed video, for all videos written from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from motioncast.client.video import Sound, open_sound
from motioncast.media import MediaError

KEPT: Final = "kept"
NONE: Final = "none: the video has no sound track"


class Soundtrack:
    """Opens the sound anew for each video written, and records the outcome.

    Args:
        video: The file.
        start: Time on its clock at which the first frame taken is shown, in seconds.

    Attributes:
        outcome: A word or a sentence for users, once something was written.
    """

    def __init__(self, video: Path, start: float) -> None:
        self._video = video
        self._start = start
        self.outcome = NONE

    @contextmanager
    def opened(self) -> Iterator[Sound | None]:
        """Yields the sound from its start; None if there is none or it cannot be decoded."""
        try:
            sound = open_sound(self._video, self._start)
        except MediaError as error:
            self.outcome = f"left out: {error}"
            sound = None
        if sound is None:
            yield None
            return
        try:
            yield sound
        finally:
            self.outcome = KEPT if sound.problem is None else f"{KEPT}, but {sound.problem}"
            sound.close()
