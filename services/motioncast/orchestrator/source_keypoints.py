"""Finds the keypoints of a session's sources where the client supplied none.

Those of further sources are registered with source 0, so that the keypoints of all sources and
frames mark the same points. When source 0 is replaced, they are registered again with the new one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from motioncast.orchestrator.sources import Sourced
from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.motion_transfer_pb2 import SourceImage

# Returns the keypoints of an image, registered with a source if there is one.
Detect: TypeAlias = Callable[[Image, SourceImage | None], Awaitable[KeypointSet]]


class SourceKeypoints:
    """Completes the sources of one session, in the order in which they arrive.

    Args:
        detect: Finds keypoints.
        registers: Whether those of further sources are registered with source 0.
    """

    def __init__(self, detect: Detect, *, registers: bool) -> None:
        self._detect = detect
        self._registers = registers
        self._first: SourceImage | None = None
        self._found: dict[int, Sourced] = {}  # further sources that were registered

    async def complete(self, source: SourceImage, digest: bytes) -> list[Sourced]:
        """Returns the source with keypoints, and further ones whose keypoints change with it.

        Args:
            source: A checked source; keypoints that the client supplied are kept.
            digest: SHA-256 of the message that carried it.
        """
        first = source.index == 0
        self._found.pop(source.index, None)
        if source.HasField("keypoints"):
            completed = Sourced(source, digest)
        else:
            with_first = self._first if self._registers and not first else None
            completed = await self._with_keypoints(Sourced(source, digest), with_first)
            if with_first is not None:
                self._found[source.index] = completed
        if not first:
            return [completed]
        self._first = completed.image
        for index, found in self._found.items():
            self._found[index] = await self._with_keypoints(found, self._first)
        return [completed, *self._found.values()]

    async def _with_keypoints(self, source: Sourced, first: SourceImage | None) -> Sourced:
        image = source.image.image
        keypoints = await self._detect(image, first)
        return Sourced(
            SourceImage(image=image, keypoints=keypoints, index=source.image.index), source.digest
        )
