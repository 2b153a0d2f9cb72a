"""The source images of a session: which there are, and which one a frame is made from."""

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
    """A source that has been checked.

    Attributes:
        image: With its keypoints, as raw RGB of the model's size.
        digest: SHA-256 of the message that it came in.
    """

    image: SourceImage
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a session, each with its keypoints and raw RGB; source 0 is among them.

    Attributes:
        by_index: The sources.
        digests: SHA-256 of each as it was received.
    """

    by_index: Mapping[int, SourceImage]
    digests: Mapping[int, bytes]

    @classmethod
    def of(cls, *received: Sourced) -> Sources:
        """Returns those that a session begins with."""
        return cls(
            {one.image.index: one.image for one in received},
            {one.image.index: one.digest for one in received},
        )

    @property
    def first(self) -> SourceImage:
        """Source 0: frames before the first observed one show it, and relative motion moves it."""
        return self.by_index[0]

    def joined(self, source: Sourced) -> Sources:
        """Returns these and another source, in the place of the one of its index."""
        index = source.image.index
        return Sources(
            {**self.by_index, index: source.image}, {**self.digests, index: source.digest}
        )


def digest_of(request: StreamRequest) -> bytes:
    """Returns SHA-256 of a source as it was received."""
    return hashlib.sha256(request.source.SerializeToString(deterministic=True)).digest()


def check_index(index: int, *, first: bool) -> None:
    """Raises InvalidInputError when a source may not have the index, as the first one or later."""
    if first and index != 0:
        raise InvalidInputError.of("source.index", f"{index}, but the first source has index 0")
    if index >= MAX_SOURCES:
        raise InvalidInputError.of(
            "source.index",
            f"{index} exceeds the limit of {MAX_SOURCES - 1}: a session has at most"
            f" {MAX_SOURCES} sources",
        )


class SourceChooser:
    """Chooses the sources of one session's frames, stretch after stretch.

    Args:
        weights: Of the keypoints; empty when all weigh the same.
        before: How the choice stands, for a session that is gone on with.
    """

    def __init__(self, weights: Sequence[float], before: Choice | None = None) -> None:
        self._weights = tuple(weights)
        self._before = before

    @property
    def choice(self) -> Choice | None:
        """How the choice stands; None before the first frame."""
        return self._before

    def choose(self, sources: Sources, driving: Keypoints) -> list[int]:
        """Returns the index of the source of each frame.

        Args:
            sources: There to choose from.
            driving: (T, K, 3), what the frames are synthesised from; after relative motion.
        """
        count = driving.shape[1]
        keypoints = {
            index: decode_keypoints(source.keypoints, count)
            for index, source in sources.by_index.items()
        }
        chosen, self._before = choose(keypoints, driving, self._before, self._weights)
        return chosen
