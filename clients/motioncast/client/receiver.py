"""The receiver's end, independent of the transport: sources and packets in, frames out.

    receiver = Receiver(opening, ReceiverModels.of(repository, opening.model))
    receiver.add_source(0, image, keypoints)
    for data in packets:
        for frame in receiver.receive(data): show(frame.image, frame.origin)

    packet -> frames decoded -> due -> predictor -> relative motion -> source -> synthesis

The frames are the same as those of a session of the service for the same keypoints.

Shapes: K keypoints (x, y, intensity).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from motioncast.client.errors import InvalidRequestError
from motioncast.client.recurrence import Recurrence
from motioncast.client.rendering import MAX_FRAMES_PER_RUN, ReceiverModels
from motioncast.client.two_ends import Opening, ReceivedFrame
from motioncast.client.types import Keypoints, Pixels
from motioncast.codec import BitstreamError, DecodedFrame
from motioncast.framing import Crop
from motioncast.sending import Acknowledgement, KeypointReceiver
from motioncast.sources import Choice, choose, frames_by_source, in_order
from motioncast.timeline.due import Slot, Timeline, TimelineError, TooLateError
from motioncast.timeline.origin import Origin
from motioncast.timeline.span import Span


class PacketReceiver(Protocol):
    """Takes the messages of a room: `Receiver`, or `live.LiveReceiver`."""

    def add_source(
        self, index: int, image: Pixels, keypoints: Keypoints
    ) -> Iterator[ReceivedFrame]:
        """Takes a source, its image (H, W, 3) and keypoints (K, 3)."""

    def receive(self, data: bytes, crop: Crop | None = None) -> Iterator[ReceivedFrame]:
        """Takes a packet; the crop is None if it has not changed."""

    def end(self, frame_count: int | None = None, skipped: int = 0) -> Iterator[ReceivedFrame]:
        """Takes the end of the video; `skipped` of its last frames were left out on purpose."""

    def acknowledgement(self) -> Acknowledgement:
        """Returns the acknowledgement that is due to the sender."""


@dataclass(frozen=True, slots=True)
class _Source:
    image: Pixels
    keypoints: Keypoints


@dataclass(frozen=True, slots=True)
class _Due:
    """A frame that is to be made."""

    slot: Slot
    keypoints: Keypoints | None  # None unless it was observed
    sources: dict[int, _Source]  # a new dict whenever a source arrives
    crop: Crop | None


class Receiver:
    """Makes the frames of one room.

    Args:
        opening: The sender's description of the video.
        models: Models of the configuration that the opening names.
        next_index: Index of the next frame to be sent when this receiver joined; 0 at the start.

    Attributes:
        late: Frames that arrived after they had been forecast, or twice.
        jumps: How often so much was missing that the timeline was restarted.

    Raises:
        InvalidRequestError: The models differ from the sender's.
    """

    def __init__(self, opening: Opening, models: ReceiverModels, next_index: int = 0) -> None:
        check_models(opening, models)
        self._opening = opening
        self._models = models
        self._packets = KeypointReceiver(models.tables.tables, near=next_index)
        # A receiver that joins late begins with the first frame that arrives.
        self._timeline = None if next_index else Timeline(opening.pattern, opening.frame_count)
        self._recurrence = Recurrence(models.predictor)
        self._motion = opening.motion()
        self._chosen: Choice | None = None
        self._sources: dict[int, _Source] = {}
        self._crop: Crop | None = None
        self._due: deque[_Due] = deque()
        self.late = 0
        self.jumps = 0

    def add_source(
        self, index: int, image: Pixels, keypoints: Keypoints
    ) -> Iterator[ReceivedFrame]:
        """Takes a source, from which frames that are not due yet may be made.

        Args:
            index: 0 to 3.
            image: (H, W, 3) uint8, of the model's size.
            keypoints: (K, 3), of the image.

        Returns:
            The frames of packets that waited for the source; usually none.

        Raises:
            InvalidRequestError: The source is malformed.
        """
        size = self._opening.height, self._opening.width, 3
        if np.shape(image) != size or image.dtype != np.uint8:
            problem = f"shape {np.shape(image)} of {image.dtype}, but the model takes {size}"
            raise InvalidRequestError.of("image", problem)
        keypoints = np.asarray(keypoints, np.float32)
        try:
            frames = self._packets.set_source(index, keypoints)
        except ValueError as error:
            raise InvalidRequestError.of("source", str(error)) from error
        self._sources = {**self._sources, index: _Source(image, keypoints)}
        self._arrive(frames, None)
        return self._frames()

    def receive(self, data: bytes, crop: Crop | None = None) -> Iterator[ReceivedFrame]:
        """Yields the frames that are due once a packet has arrived; each is made when requested.

        Frames that were not consumed are yielded with the next packet's.

        Args:
            data: The packet; it may arrive twice, and before a packet that it refers to.
            crop: The part of the sender's picture that its frames show; None: unchanged.

        Raises:
            InvalidRequestError: The bytes are not a valid packet, or there is no source yet.
        """
        if 0 not in self._sources:
            raise InvalidRequestError.of("packet", "arrived before source 0")
        try:
            frames = self._packets.receive(data)
        except BitstreamError as error:
            raise InvalidRequestError.of("packet", str(error)) from error
        self._arrive(frames, crop)
        return self._frames()

    def end(self, frame_count: int | None = None, skipped: int = 0) -> Iterator[ReceivedFrame]:
        """Yields the frames that are still due at the end of the video.

        Args:
            frame_count: Frames of the whole video, if the opening did not say. An impossible number
                adds nothing.
            skipped: How many of the last frames were left out on purpose.
        """
        if self._timeline is not None:
            try:
                if frame_count:
                    self._timeline.end(frame_count, skipped)
                self._note(self._timeline.close(), None)
            except TimelineError:
                pass  # the video broke off long before
        return self._frames()

    def acknowledgement(self) -> Acknowledgement:
        """Returns the acknowledgement that is due to the sender."""
        return self._packets.acknowledgement()

    def _arrive(self, frames: list[DecodedFrame], crop: Crop | None) -> None:
        if crop is not None:
            self._crop = crop
        for frame in sorted(frames, key=lambda one: one.index):
            if self._timeline is None:
                self._timeline = self._beginning(frame.index)
            try:
                due = self._timeline.arrive(frame.index, frame.skipped)
            except TooLateError:
                self.late += 1
                continue
            except TimelineError:
                self._timeline, self._recurrence = self._jumped(frame.index)
                due = self._timeline.arrive(frame.index, frame.skipped)
            self._note(due, frame)

    def _beginning(self, index: int) -> Timeline:
        return Timeline(self._opening.pattern, self._opening.frame_count, index)

    def _jumped(self, index: int) -> tuple[Timeline, Recurrence]:
        """Returns a timeline that continues after a gap that is too long to be concealed."""
        count = self._opening.frame_count
        if count is not None and index >= count:
            raise InvalidRequestError.of(
                "packet", f"index {index} is past the end of the video ({count} frames)"
            )
        self.jumps += 1
        return self._beginning(index), Recurrence(self._models.predictor)

    def _note(self, slots: Iterable[Slot], arrived: DecodedFrame | None) -> None:
        for slot in slots:
            here = arrived is not None and slot.index == arrived.index
            keypoints = arrived.keypoints if arrived is not None and here else None
            self._due.append(_Due(slot, keypoints, self._sources, self._crop))

    def _frames(self) -> Iterator[ReceivedFrame]:
        while self._due:
            yield from self._made(self._next_batch())

    def _next_batch(self) -> list[_Due]:
        batch = [self._due.popleft()]
        while (
            self._due
            and len(batch) < MAX_FRAMES_PER_RUN
            and self._due[0].sources is batch[0].sources
        ):
            batch.append(self._due.popleft())
        return batch

    def _made(self, batch: list[_Due]) -> Iterator[ReceivedFrame]:
        sources = batch[0].sources
        first = sources[0].keypoints
        nothing = np.zeros_like(first)
        given = [nothing if one.keypoints is None else one.keypoints for one in batch]
        origins = [one.slot.origin for one in batch]
        observed = np.array([origin is Origin.OBSERVED for origin in origins])
        stretch = Span(batch[0].slot.index, np.stack(given), observed)
        keypoints = self._recurrence.fill(stretch, first)
        driving = keypoints
        if self._motion is not None:
            driving = self._motion.move_all(first, keypoints, origins)
        at = {index: source.keypoints for index, source in sources.items()}
        chosen, self._chosen = choose(at, driving, self._chosen, self._opening.source_weights)
        frames = frames_by_source(chosen)
        synthesiser = self._models.synthesiser
        parts = [
            synthesiser.frames(sources[index].image, at[index], driving[places])
            for index, places in frames.items()
        ]
        for t, image in enumerate(in_order(parts, frames)):
            slot = batch[t].slot
            yield ReceivedFrame(
                slot.index, slot.origin, image, keypoints[t], chosen[t], batch[t].crop
            )


def check_models(opening: Opening, models: ReceiverModels) -> None:
    """Raises InvalidRequestError unless the models match the sender's where that matters.

    Codec tables and sizes always have to match; the predictor if the sender's gate uses it. The
    synthesis may differ: no packet depends on it.
    """
    synthesiser, tables = models.synthesiser, models.tables
    here = synthesiser.height, synthesiser.width, synthesiser.keypoints
    there = opening.height, opening.width, opening.keypoints
    if tables.digest != opening.codec_tables or here != there:
        raise InvalidRequestError.of(
            "models", f"the local {opening.model} differs from the sender's"
        )
    if opening.predictor and models.predictor_digest != opening.predictor:
        raise InvalidRequestError.of(
            "models",
            f"the local {opening.model} predictor differs from the one that the sender gates by",
        )
