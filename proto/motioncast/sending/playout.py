"""The receiver's clock: every frame is shown at its time, with what is known of it by then.

    frame i is due at  start + i / rate + delay         start: when frame 0 would have arrived
    known          ->  the frame itself
    later one here ->  interpolated between the last known frame before and the next one after:
                       this is what a delay is for
    else           ->  the forecast from earlier frames

A frame that arrives late is inserted in its place: the forecasts after it are recomputed, and the
picture glides from the wrong ones to the right ones within a few frames. When the clock is queried
late, the newest due frame is shown and earlier ones are skipped.

Shapes: K keypoints (x, y, intensity).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from motioncast.sending.forecasters import Forecaster, Hold, Keypoints
from motioncast.timeline.interpolation import between
from motioncast.timeline.origin import Origin
from motioncast.timeline.pattern import Pattern
from motioncast.timeline.ranges import clip_keypoints

MEMORY_FRAMES: Final = 64  # before the one shown; frames that are even later are useless
AHEAD_FRAMES: Final = 1024  # a frame further ahead is an error
DEFAULT_BLEND_FRAMES: Final = 3
_TICK: Final = 1e-6  # frames; a clock that adds up 1 / rate is off by less
_SAME: Final = 1e-6  # keypoint units


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A frame that is due."""

    index: int
    keypoints: Keypoints  # (K, 3)
    origin: Origin  # CONCEALED if the pattern expected it and it was not reported as left out


class Playout:
    """The frames of one session, each at its time.

    Args:
        frame_rate: Frames per second of the session.
        delay_seconds: How much later than the fastest packet a frame is shown, to absorb jitter.
        delay_frames: Additional delay in frames, for interpolation.
        blend_frames: Over how many frames a correction is blended in; 0: at once.
        forecaster: The forecaster that a gating sender runs too.
        pattern: The session's pattern, if it has one.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(
        self,
        frame_rate: float = 25.0,
        delay_seconds: float = 0.0,
        *,
        delay_frames: int = 0,
        blend_frames: int = DEFAULT_BLEND_FRAMES,
        forecaster: Forecaster | None = None,
        pattern: Pattern | None = None,
    ) -> None:
        if not 0 < frame_rate <= 240:
            raise ValueError(f"frame_rate: {frame_rate:g}, expected more than 0, at most 240")
        if not 0 <= delay_seconds <= 10:
            raise ValueError(f"delay_seconds: {delay_seconds:g}, expected 0 to 10")
        if not (0 <= delay_frames <= MEMORY_FRAMES and 0 <= blend_frames <= MEMORY_FRAMES):
            raise ValueError(f"delay_frames, blend_frames: expected 0 to {MEMORY_FRAMES}")
        self._rate = frame_rate
        self._delay = delay_seconds * frame_rate + delay_frames  # in frames
        self._blend = blend_frames
        self._forecaster = Hold() if forecaster is None else forecaster
        self._pattern = pattern
        self._start: float | None = None  # when frame 0 arrived, or would have
        self._earliest = 0.0  # lower limit of the start
        self._known: dict[int, Keypoints] = {}
        self._left_out: set[int] = set()  # frames left out on purpose
        self._states: dict[int, Any] = {}  # the forecaster's state before a frame
        self._shown: Shown | None = None
        self._offset: Keypoints | None = None  # between what was shown and what is known of it
        self._left = 0  # frames over which the offset is still blended out

    def arrive(self, index: int, keypoints: Keypoints, now: float, skipped: int = 0) -> bool:
        """Takes a frame (K, 3), in any order; returns whether it is of any use.

        A frame that is already known is not changed. `skipped` frames directly before it were left
        out on purpose.
        """
        shown = self._shown
        oldest = min(self._states, default=index) if shown is None else shown.index - MEMORY_FRAMES
        newest = shown.index if shown is not None else max(self._known, default=index)
        if index in self._known or index < oldest or index > newest + AHEAD_FRAMES:
            return False
        began = now - index / self._rate
        if self._start is None:
            self._start = began
            self._earliest = began - self._delay / self._rate
            self._states[index] = self._forecaster.begin()
        elif shown is None:
            # The first packet need not be the fastest; but it must be shown, not skipped.
            self._start = max(min(self._start, began), self._earliest)
        self._known[index] = keypoints
        self.leave_out(range(max(index - skipped, oldest), index))
        for later in [one for one in self._states if one > index]:
            del self._states[later]
        if not self._states:  # before everything that is kept
            self._states[index] = self._forecaster.begin()
        return True

    def leave_out(self, frames: Iterable[int]) -> None:
        """Notes that the sender left frames out on purpose."""
        self._left_out.update(frames)

    def show(self, now: float, last: int | None = None) -> Shown | None:
        """Returns the newest frame that is due at a time in seconds; None if there is no new one.

        Args:
            now: The time.
            last: Index of the video's last frame, if known: nothing is shown after it.
        """
        if self._start is None:
            return None
        index = self._due(now) if last is None else min(self._due(now), last)
        before = self._shown
        if index < min(self._states):
            return None
        if before is not None and index <= before.index:
            return None
        keypoints = clip_keypoints(self._best(index) + self._correction(index))
        self._shown = Shown(index, keypoints, self._origin(index))
        self._forget(index)
        return self._shown

    @property
    def newest_shown(self) -> int:
        """Index of the last frame shown; -1 before the first."""
        return -1 if self._shown is None else self._shown.index

    def wait_seconds(self, now: float) -> float:
        """Returns the seconds from a time to the next due frame; infinity before any arrived."""
        if self._start is None:
            return math.inf
        following = max(self.newest_shown + 1, min(self._states))
        return max(0.0, self._start + (following + self._delay) / self._rate - now)

    def _due(self, now: float) -> int:
        assert self._start is not None
        return math.floor((now - self._start) * self._rate - self._delay + _TICK)

    def _best(self, index: int) -> Keypoints:
        """Returns the best current estimate of a frame, (K, 3)."""
        if index in self._known:
            return self._known[index]
        earlier = max((one for one in self._known if one < index), default=None)
        later = min((one for one in self._known if one > index), default=None)
        if earlier is not None and later is not None:
            return between((earlier, self._known[earlier]), (later, self._known[later]), index)
        forecast = self._forecaster.forecast(self._state(index))
        if forecast is None:  # no earlier frame has arrived
            forecast = self._known[min(self._known)]
        return forecast

    def _correction(self, index: int) -> Keypoints:
        """Returns the remaining offset between what is shown and what is known."""
        none = np.zeros((), np.float32)
        if self._shown is None or self._blend == 0:
            return none
        steps = index - self._shown.index
        offset = self._shown.keypoints - self._best(self._shown.index)
        if self._offset is None or np.abs(offset - self._offset).max() > _SAME:
            self._left = self._blend  # a frame arrived that corrects it
        share = max(0.0, 1 - steps / self._left) if self._left else 0.0
        self._left = max(0, self._left - steps)
        self._offset = (offset * np.float32(share)).astype(np.float32)
        return self._offset

    def _state(self, index: int) -> Any:
        """Returns the forecaster's state before a frame."""
        at = max(one for one in self._states if one <= index)
        state = self._states[at]
        for step in range(at, index):
            state = self._forecaster.after(state, self._known.get(step))
            self._states[step + 1] = state
        return state

    def _origin(self, index: int) -> Origin:
        if index in self._known:
            return Origin.OBSERVED
        expected = (
            self._pattern is not None
            and self._pattern.expects(index)
            and index not in self._left_out
        )
        return Origin.CONCEALED if expected else Origin.PREDICTED

    def _forget(self, index: int) -> None:
        oldest = index - MEMORY_FRAMES
        self._state(index)
        self._left_out = {one for one in self._left_out if one >= oldest}
        kept = max((one for one in self._known if one <= oldest), default=oldest)
        for frames in (self._known, self._states):
            for one in [one for one in frames if one < min(oldest, kept)]:
                del frames[one]
