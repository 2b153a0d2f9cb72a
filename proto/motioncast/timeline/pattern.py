"""The pattern of a session, written M:N: M observed frames, then N predicted ones, over and over.

    index     0 1 2 3 4   5 6 7 8 9
    3:2       x x x . .   x x x . .    x: the sender intends to supply the frame

Pure Python: the command line parses patterns before it loads anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

MAX_GROUP_FRAMES: Final = 256  # largest M and largest N of a session
# Without a pattern every frame is sent: a sender that knows nothing of patterns wastes nothing, and
# lost frames are forecast anyway. Forecasting on purpose has to be requested: 1:1, 5:5.
DEFAULT_OBSERVED: Final = 1  # M
DEFAULT_PREDICTED: Final = 0  # N


class PatternError(ValueError):
    """The input is not a pattern; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """M observed frames, then N predicted ones, over and over; N = 0 sends every frame.

    Raises:
        PatternError: M is less than 1 or N less than 0.
    """

    observed: int
    predicted: int

    def __post_init__(self) -> None:
        if self.observed < 1 or self.predicted < 0:
            raise PatternError(f"pattern: {self} (expected M of 1 or more, N of 0 or more)")

    @classmethod
    def parse(cls, text: str, field: str = "--pattern") -> Self:
        """Returns the pattern written `M:N`, within the limits of a session.

        Args:
            text: For example "5:27".
            field: What error messages begin with.

        Raises:
            PatternError: The text is malformed, M is 0, or a number exceeds MAX_GROUP_FRAMES.
        """
        written = re.fullmatch("0*([0-9]{1,3}):0*([0-9]{1,3})", text)
        if written is not None:
            observed, predicted = map(int, written.groups())
            if 1 <= observed <= MAX_GROUP_FRAMES and predicted <= MAX_GROUP_FRAMES:
                return cls(observed, predicted)
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise PatternError(
            f"{field}: {shown!r} is not M:N with M of 1 to {MAX_GROUP_FRAMES}"
            f" and N of 0 to {MAX_GROUP_FRAMES}, as in 5:5"
        )

    def __str__(self) -> str:
        return f"{self.observed}:{self.predicted}"

    @property
    def group_frames(self) -> int:
        """M + N."""
        return self.observed + self.predicted

    def expects(self, index: int) -> bool:
        """Returns whether the sender intends to supply the frame."""
        return index % self.group_frames < self.observed

    def mask(self, frames: int) -> list[bool]:
        """Returns which of the first `frames` frames the sender intends to supply."""
        return [self.expects(index) for index in range(frames)]

    def next_expected(self, index: int) -> int:
        """Returns the first frame from `index` on that the sender intends to supply."""
        return index if self.expects(index) else self.group_end(index)

    def latest_expected(self, index: int) -> int:
        """Returns the last frame up to `index` that the sender intends to supply."""
        into_group = index % self.group_frames
        return index - max(0, into_group - (self.observed - 1))

    def group_end(self, index: int) -> int:
        """Returns the first frame of the next group."""
        return (index // self.group_frames + 1) * self.group_frames
