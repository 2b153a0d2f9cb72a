"""A room in real time: packets are taken as they arrive, frames shown by the clock, newest only.

    receiver = LiveReceiver(watching.opening, models, watching.next_index, delay_frames=1)
    for frame in live_frames(watching, receiver): show(frame.image)

    packet -> frames decoded -> playout (delay, interpolation, forecast, blend) -> synthesis

Late packets correct what is shown; a machine that is slower than the video skips frames.
`Receiver` makes every frame, whenever it arrives; here `motioncast.sending.Playout` has a clock.

Shapes: K keypoints (x, y, intensity).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import numpy as np

from motioncast.client.errors import InvalidRequestError
from motioncast.client.forecasting import Forecasting
from motioncast.client.receiver import PacketReceiver, check_models
from motioncast.client.rendering import ReceiverModels
from motioncast.client.two_ends import Opening, ReceivedFrame
from motioncast.client.types import Keypoints, Pixels
from motioncast.codec import BitstreamError, DecodedFrame
from motioncast.framing import Crop
from motioncast.sending import Acknowledgement, KeypointReceiver, Playout, Shown
from motioncast.sending.playout import DEFAULT_BLEND_FRAMES
from motioncast.sources import Choice, choose
from motioncast.timeline.origin import Origin

MAX_WAIT_SECONDS: Final = 0.1  # after which the clock is checked again in any case


class LiveReceiver:
    """Makes the frames of one room by a clock; a `PacketReceiver`.

    The methods that take messages render nothing, and may be called in another thread than `show`.

    Args:
        opening: The sender's description of the video.
        models: Models of the configuration that the opening names.
        next_index: Index of the next frame to be sent when this receiver joined; 0 at the start.
        delay_frames: How many frames after its arrival a frame is shown, for interpolation.
        delay_seconds: Additional delay in seconds, to absorb jitter.
        blend_frames: Over how many frames a correction is blended in.
        clock: Returns the time in seconds since an arbitrary moment.

    Raises:
        InvalidRequestError: The models differ from the sender's, or a number is out of range.
    """

    def __init__(
        self,
        opening: Opening,
        models: ReceiverModels,
        next_index: int = 0,
        *,
        delay_frames: int = 0,
        delay_seconds: float = 0.0,
        blend_frames: int = DEFAULT_BLEND_FRAMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_models(opening, models)
        self._opening = opening
        self._synthesiser = models.synthesiser
        self._packets = KeypointReceiver(models.tables.tables, near=next_index)
        try:
            self._playout = Playout(
                opening.frame_rate,
                delay_seconds,
                delay_frames=delay_frames,
                blend_frames=blend_frames,
                forecaster=Forecasting(models.predictor, opening.keypoints),
                pattern=opening.pattern,
            )
        except ValueError as error:
            raise InvalidRequestError(str(error)) from error
        self._motion = opening.motion()
        self._chosen: Choice | None = None
        self._sources: dict[int, tuple[Pixels, Keypoints]] = {}
        self._crop: Crop | None = None
        self._newest = -1  # newest frame that arrived
        self._last: int | None = None  # last frame of the video, once it is over
        self._clock = clock
        self._lock = threading.Lock()
        self._news = threading.Event()

    def add_source(
        self, index: int, image: Pixels, keypoints: Keypoints
    ) -> Iterator[ReceivedFrame]:
        """Takes a source: an image (H, W, 3) uint8 and its keypoints (K, 3); yields nothing.

        Raises:
            InvalidRequestError: The source is malformed.
        """
        size = self._opening.height, self._opening.width, 3
        if np.shape(image) != size or image.dtype != np.uint8:
            problem = f"shape {np.shape(image)} of {image.dtype}, but the model takes {size}"
            raise InvalidRequestError.of("image", problem)
        keypoints = np.asarray(keypoints, np.float32)
        with self._lock:
            try:
                frames = self._packets.set_source(index, keypoints)
            except ValueError as error:
                raise InvalidRequestError.of("source", str(error)) from error
            self._sources = {**self._sources, index: (image, keypoints)}
            self._arrive(frames)
        return iter(())

    def receive(self, data: bytes, crop: Crop | None = None) -> Iterator[ReceivedFrame]:
        """Takes a packet, in any order and possibly repeated; yields nothing.

        Raises:
            InvalidRequestError: The bytes are not a valid packet.
        """
        with self._lock:
            try:
                frames = self._packets.receive(data)
            except BitstreamError as error:
                raise InvalidRequestError.of("packet", str(error)) from error
            if crop is not None:
                self._crop = crop
            self._arrive(frames)
        return iter(())

    def end(self, frame_count: int | None = None, skipped: int = 0) -> Iterator[ReceivedFrame]:
        """Takes the end of the video; yields nothing."""
        with self._lock:
            count = frame_count or self._opening.frame_count
            if count is not None:
                self._playout.leave_out(range(max(count - skipped, 0), count))
            if self._last is None:
                self._last = self._newest if count is None else count - 1
        return iter(())

    def lost(self) -> None:
        """Notes that the sender is gone: what has arrived is still shown, then it ends."""
        with self._lock:
            if self._last is None:
                self._last = self._newest

    def acknowledgement(self) -> Acknowledgement:
        """Returns the acknowledgement that is due to the sender."""
        with self._lock:
            return self._packets.acknowledgement()

    @property
    def over(self) -> bool:
        """Whether the last frame of the video has been shown."""
        with self._lock:
            shown = self._playout.newest_shown
            return self._last is not None and (self._last < 0 or shown >= self._last)

    def show(self) -> ReceivedFrame | None:
        """Renders and returns the newest frame that is due; None if there is no new one."""
        with self._lock:
            count = self._opening.frame_count
            last = count - 1 if self._last is None and count is not None else self._last
            shown = self._playout.show(self._clock(), last) if 0 in self._sources else None
            if shown is None:
                return None
            sources, crop = self._sources, self._crop
        return self._made(shown, sources, crop)

    def wait_seconds(self) -> float:
        """Returns the seconds until the next frame is due, at most MAX_WAIT_SECONDS."""
        with self._lock:
            return min(self._playout.wait_seconds(self._clock()), MAX_WAIT_SECONDS)

    def wait(self) -> None:
        """Waits until the next frame is due or a packet arrives, at most MAX_WAIT_SECONDS."""
        self._news.wait(self.wait_seconds())
        self._news.clear()

    def _arrive(self, frames: list[DecodedFrame]) -> None:
        now = self._clock()
        for frame in frames:
            self._newest = max(self._newest, frame.index)
            self._playout.arrive(frame.index, frame.keypoints, now, frame.skipped)
        self._news.set()

    def _made(
        self, shown: Shown, sources: dict[int, tuple[Pixels, Keypoints]], crop: Crop | None
    ) -> ReceivedFrame:
        at = {index: keypoints for index, (_, keypoints) in sources.items()}
        driving = shown.keypoints
        if self._motion is not None:
            observed = shown.origin is Origin.OBSERVED
            driving = self._motion.move(at[0], driving, observed=observed)
        weights = self._opening.source_weights
        (source,), self._chosen = choose(at, driving[np.newaxis], self._chosen, weights)
        image, keypoints = sources[source]
        made = self._synthesiser.frames(image, keypoints, driving[np.newaxis])
        return ReceivedFrame(shown.index, shown.origin, made[0], shown.keypoints, source, crop)


class Incoming(Protocol):
    """A room being watched: `relay.SyncWatching`."""

    def frames_by(self, receiver: PacketReceiver) -> Iterator[ReceivedFrame]: ...

    def close(self) -> None: ...


def live_frames(watching: Incoming, receiver: LiveReceiver) -> Iterator[ReceivedFrame]:
    """Yields a room's frames when they are due, to its end; if several are due, only the newest.

    Raises as `SyncWatching.frames` does. Leaving the loop leaves the room.
    """
    failures: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        try:
            for _ in watching.frames_by(receiver):
                pass
        except Exception as error:
            failures.append(error)
        finally:
            receiver.lost()
            done.set()

    thread = threading.Thread(target=read, name="motioncast-live", daemon=True)
    thread.start()
    try:
        while not (done.is_set() and (failures or receiver.over)):
            if (frame := receiver.show()) is not None:
                yield frame
            else:
                receiver.wait()
    finally:
        watching.close()
        thread.join()
    if failures:
        raise failures[0]
