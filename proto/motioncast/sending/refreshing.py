"""When a frame is to be sent as a source too: when the picture that receivers make is poor.

    every few frames    a frame, and the same as receivers make it -> PSNR
    PSNR below a bound  the frame becomes a source: a new one, or in the place of the one that was
                        used least lately

`motioncast.sources.Gathering` goes by keypoints alone, and misses what they do not show: light,
hair, what a turned head uncovers. Here the sender makes a picture now and then, as receivers do.
What it may cost is bounded, in pictures and in bytes, and where a source did not help the next one
comes later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_SOURCES: Final = 4  # that receivers keep, as packets can name
_LATEST: Final = 16  # times the usual rest, where sources do not help


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """When a frame becomes a source, and how much that may cost.

    Raises:
        ValueError: A number is out of its range.
    """

    below_db: float = 25.0  # PSNR of the picture that receivers make
    sources: int = MAX_SOURCES  # kept at once, 2 to 4; source 0 stays
    every_frames: int = 12  # a picture is made, and looked at
    rest_frames: int = 25  # from one source to the next, at least
    gain_db: float = 1.0  # that a source has to win, or the next one waits twice as long
    images: int = 12  # sent at most, beside the first
    total_bytes: int = 64 * 1024  # that they may take together

    def __post_init__(self) -> None:
        for name, low, high in (
            ("below_db", 1, 60),
            ("sources", 2, MAX_SOURCES),
            ("every_frames", 1, 1000),
            ("rest_frames", 1, 100_000),
            ("gain_db", 0, 60),
            ("images", 0, 10_000),
            ("total_bytes", 0, 2**30),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: {getattr(self, name):g}, expected {low:g} to {high:g}")


class Refreshing:
    """The sources of one video after the first, by how its pictures come out.

    Args:
        settings: When, and how much.

    Attributes:
        images: Sent so far, beside the first.
        bytes: That they took, as far as `sent` was told.
    """

    def __init__(self, settings: RefreshSettings | None = None) -> None:
        self._settings = RefreshSettings() if settings is None else settings
        self._used = {0: 0}  # frame that each source was last seen used at
        self._looked = 0
        self._latest = 0  # frame that became a source
        self._before: float | None = None  # PSNR then, until it is known whether it helped
        self._patience = 1
        self.images = 0
        self.bytes = 0

    def due(self, index: int) -> bool:
        """Whether the picture of a frame, later than all before, is to be made and looked at."""
        settings = self._settings
        spent = self.images >= settings.images or self.bytes >= settings.total_bytes
        return not spent and index - self._looked >= settings.every_frames

    def see(self, index: int, psnr_db: float, source: int) -> int | None:
        """Returns the index of the source that a frame becomes, if any.

        Args:
            index: Of the frame that was due.
            psnr_db: Of the picture that receivers make of it.
            source: Index of the source that they make it from.
        """
        settings = self._settings
        self._looked = index
        self._used[source] = index
        if self._before is not None:
            helped = psnr_db >= self._before + settings.gain_db
            self._patience = 1 if helped else min(2 * self._patience, _LATEST)
            self._before = None
        if psnr_db >= settings.below_db:
            return None
        if self.images and index - self._latest < settings.rest_frames * self._patience:
            return None
        self._latest, self._before = index, psnr_db
        self.images += 1
        becomes = self._place()
        self._used[becomes] = index
        return becomes

    def sent(self, size: int) -> None:
        """Notes how many bytes a source took."""
        self.bytes += size

    def _place(self) -> int:
        """Returns an index that is free, or that was used least lately; never 0."""
        for index in range(1, self._settings.sources):
            if index not in self._used:
                return index
        return min((one for one in self._used if one), key=lambda one: (self._used[one], one))
