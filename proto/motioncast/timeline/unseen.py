"""What a predictor has to see, and when, so that a stretch of the timeline has no gaps.

The predictor has to see every observed frame, but only before it forecasts: where nothing is
missing, observed frames wait for the next gap, up to as many as one call may have. A session that
sends every frame pays for one call in 200 frames. Frames before the first observed one hold the
source. Sessions of the service and receivers go by this alike, so that both show the same frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.timeline.span import Span

MAX_OBSERVED: Final = 256  # frames of one call of the predictor


@dataclass(frozen=True, slots=True)
class Filling:
    """How a stretch is filled.

    Attributes:
        held: Frames at its beginning that hold the source.
        rest: The others.
        span: What the predictor is to see now, `rest` at its end; None where it can wait.
        gaps: Whether its forecast fills `rest`, which is whole otherwise.
    """

    held: int
    rest: Span
    span: Span | None
    gaps: bool


class Unseen:
    """The frames of one timeline that its predictor has not seen, most of them observed.

    Args:
        longest_stretch: Frames that come at once, at most.

    Attributes:
        span: The frames; None where there are none.
        started: Whether any frame was observed.
    """

    def __init__(self, longest_stretch: int) -> None:
        self._most = MAX_OBSERVED - longest_stretch
        self.span: Span | None = None
        self.started = False

    def plan(self, stretch: Span, filled: NDArray[np.bool_] | None = None) -> Filling:
        """Returns how the timeline's next frames are filled; tell `seen` when the span was.

        Args:
            stretch: The frames.
            filled: (T,), those that need no forecast; none by default.
        """
        length = len(stretch.observed)
        held = 0 if self.started else stretch.leading_gap
        rest = stretch.part(held, length)
        whole = rest.observed if filled is None else rest.observed | filled[held:]
        if not whole.all():
            return Filling(held, rest, self._with(rest), True)
        return Filling(held, rest, self.note(rest) if held < length else None, False)

    def note(self, observed: Span) -> Span | None:
        """Takes frames without gaps; returns what the predictor is to see when it is much."""
        self.span, self.started = self._with(observed), True
        return self.span if len(self.span.observed) > self._most else None

    def seen(self) -> None:
        """Notes that the predictor has seen all frames so far."""
        self.span, self.started = None, True

    def _with(self, following: Span) -> Span:
        return following if self.span is None else self.span.followed_by(following)
