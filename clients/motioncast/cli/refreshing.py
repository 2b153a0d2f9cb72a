"""The pictures of `motioncast send`, occasionally made here just as receivers make them.

    frame, keypoints -> the source that receivers use -> synthesis -> PSNR -> a new source?

One picture at a time, concurrently with sending: a slow machine checks less often.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np

from motioncast.cli.local_model import LocalModel
from motioncast.client import Keypoints, Pixels
from motioncast.client.rendering import ReceiverModels
from motioncast.quality.pixels import compare
from motioncast.sending.refreshing import Refreshing, RefreshSettings
from motioncast.sources import Choice, choose


@dataclass(frozen=True, slots=True)
class Fresh:
    """A frame that becomes a source."""

    index: int  # of the source
    image: Pixels
    keypoints: Keypoints


class Refresher:
    """Checks the pictures of one video.

    Args:
        here: The model, and the location of its synthesis.
        settings: When a frame becomes a source.

    Raises:
        MediaError, MissingExtraError: The synthesis cannot be opened.
    """

    def __init__(self, here: LocalModel, settings: RefreshSettings) -> None:
        models = ReceiverModels.of(here.repository, here.model.name, threads=1)
        self._synthesiser = models.synthesiser
        self._weights = here.model.source_weights
        self._refreshing = Refreshing(settings)
        self._sources: dict[int, tuple[Pixels, Keypoints]] = {}
        self._chosen: Choice | None = None
        self._looking: asyncio.Task[Fresh | None] | None = None

    def add_source(self, index: int, image: Pixels, keypoints: Keypoints) -> None:
        """Takes a source that receivers have from now on."""
        self._sources = {**self._sources, index: (image, keypoints)}

    def take(self, index: int, image: Pixels, keypoints: Keypoints) -> Fresh | None:
        """Starts checking a frame if one is due; returns an earlier one that is to be sent.

        Args:
            index: Index of the frame, later than all before.
            image: (H, W, 3), the model's view of it.
            keypoints: (K, 3), of the image.
        """
        found = None
        if self._looking is not None and self._looking.done():
            found, self._looking = self._looking.result(), None
        if self._looking is None and found is None and self._refreshing.due(index):
            work = asyncio.to_thread(self._look, index, image, keypoints)
            self._looking = asyncio.create_task(work)
        return found

    def sent(self, size: int) -> None:
        """Notes how many bytes a source took."""
        self._refreshing.sent(size)

    async def aclose(self) -> None:
        """Waits for the picture that is being made."""
        if self._looking is not None:
            await asyncio.wait([self._looking])

    def _look(self, index: int, image: Pixels, keypoints: Keypoints) -> Fresh | None:
        sources = self._sources
        at = {one: points for one, (_, points) in sources.items()}
        driving = keypoints[np.newaxis]
        (source,), self._chosen = choose(at, driving, self._chosen, self._weights)
        made = self._synthesiser.frames(*sources[source], driving)[0]
        becomes = self._refreshing.see(index, compare(made, image).psnr_db, source)
        return None if becomes is None else Fresh(becomes, image, keypoints)
