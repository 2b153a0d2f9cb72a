"""The source images of a session, and the choice of the one that a frame is made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from motioncast.sources import MAX_SOURCES, Choice, choose
from motioncast.v1.motion_transfer_pb2 import SourceImage, StreamRequest
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints, decode_keypoints


@dataclass(frozen=True, slots=True)
class Sourced:
    """A checked source.

    Attributes:
        image: The source with its keypoints, as raw RGB of the model's size.
        digest: SHA-256 of the message that carried it.
    """

    image: SourceImage
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a session, each with its keypoints and raw RGB; source 0 is among them.

    Attributes:
        by_index: The sources.
        digests: SHA-256 of each source as it was received.
    """

    by_index: Mapping[int, SourceImage]
    digests: Mapping[int, bytes]

    @classmethod
    def of(cls, *received: Sourced) -> Sources:
        """Returns the sources that a session begins with."""
        return cls(
            {one.image.index: one.image for one in received},
            {one.image.index: one.digest for one in received},
        )

    @property
    def first(self) -> SourceImage:
        """Source 0: shown by frames before the first observed one, and moved by relative motion."""
        return self.by_index[0]

    def joined(self, source: Sourced) -> Sources:
        """Returns these sources and one more, which replaces any with its index."""
        index = source.image.index
        return Sources(
            {**self.by_index, index: source.image}, {**self.digests, index: source.digest}
        )


def digest_of(request: StreamRequest) -> bytes:
    """Returns SHA-256 of a source as it was received."""
    return hashlib.sha256(request.source.SerializeToString(deterministic=True)).digest()


def check_index(index: int, *, first: bool) -> None:
    """Raises InvalidInputError when the first or a later source may not have the index."""
    if first and index != 0:
        raise InvalidInputError.of(
            "source.index", f"{index}, but the first source must have index 0"
        )
    if index >= MAX_SOURCES:
        raise InvalidInputError.of(
            "source.index",
            f"{index} exceeds the limit of {MAX_SOURCES - 1}: a session has at most"
            f" {MAX_SOURCES} sources",
        )


class SourceChooser:
    """Chooses the sources of one session's frames, stretch after stretch.

    Args:
        weights: Weights of the keypoints; empty when all are equal.
        before: The current choice, in a resumed session.
    """

    def __init__(self, weights: Sequence[float], before: Choice | None = None) -> None:
        self._weights = tuple(weights)
        self._before = before

    @property
    def choice(self) -> Choice | None:
        """The current choice; None before the first frame."""
        return self._before

    def choose(self, sources: Sources, driving: Keypoints) -> list[int]:
        """Returns the index of the source of each frame.

        Args:
            sources: The sources to choose from.
            driving: (T, K, 3), the keypoints that drive synthesis, after relative motion.
        """
        count = driving.shape[1]
        keypoints = {
            index: decode_keypoints(source.keypoints, count)
            for index, source in sources.by_index.items()
        }
        chosen, self._before = choose(keypoints, driving, self._before, self._weights)
        return chosen
