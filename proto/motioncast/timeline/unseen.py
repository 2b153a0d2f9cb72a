"""What a predictor has to see, and when, for a stretch of the timeline without gaps.

The predictor has to see every observed frame, but only before it forecasts: while nothing is
missing, observed frames wait for the next gap, up to the limit of one call. A session that sends
every frame costs one call in 200 frames. Frames before the first observed one hold the source.
Sessions of the service and receivers both follow this rule, so both show the same frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.timeline.span import Span

MAX_OBSERVED: Final = 256  # frames in one call of the predictor


@dataclass(frozen=True, slots=True)
class Filling:
    """How a stretch is filled.

    Attributes:
        held: Frames at its beginning that hold the source.
        rest: The other frames.
        span: What the predictor has to see now, ending with `rest`; None if it can wait.
        gaps: Whether the forecast has to fill gaps in `rest`; otherwise `rest` has none.
    """

    held: int
    rest: Span
    span: Span | None
    gaps: bool


class Unseen:
    """The frames of one timeline that its predictor has not seen, most of them observed.

    Args:
        longest_stretch: The most frames in one stretch.

    Attributes:
        span: The frames; None if there are none.
        started: Whether any frame was observed.
    """

    def __init__(self, longest_stretch: int) -> None:
        self._most = MAX_OBSERVED - longest_stretch
        self.span: Span | None = None
        self.started = False

    def plan(self, stretch: Span, filled: NDArray[np.bool_] | None = None) -> Filling:
        """Returns how to fill the timeline's next frames; call `seen` after running the span.

        Args:
            stretch: The frames.
            filled: (T,), frames that need no forecast; none by default.
        """
        length = len(stretch.observed)
        held = 0 if self.started else stretch.leading_gap
        rest = stretch.part(held, length)
        whole = rest.observed if filled is None else rest.observed | filled[held:]
        if not whole.all():
            return Filling(held, rest, self._with(rest), True)
        return Filling(held, rest, self.note(rest) if held < length else None, False)

    def note(self, observed: Span) -> Span | None:
        """Takes frames without gaps; returns a span for the predictor once enough have gathered."""
        self.span, self.started = self._with(observed), True
        return self.span if len(self.span.observed) > self._most else None

    def seen(self) -> None:
        """Notes that the predictor has seen all frames so far."""
        self.span, self.started = None, True

    def _with(self, following: Span) -> Span:
        return following if self.span is None else self.span.followed_by(following)
