"""Decides when to send a frame as a source too: when the pictures that receivers make are poor.

    every few frames    compare a frame with the picture that receivers make of it -> PSNR
    PSNR below a bound  the frame becomes a source: a new one, or it replaces the least recently
                        used one

`motioncast.sources.Gathering` uses only keypoints, and misses what they do not show: light, hair,
what a turned head uncovers. Here the sender occasionally makes a picture just as receivers do.
The cost is bounded, in pictures and in bytes, and when a source did not help, the next one comes
later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_SOURCES: Final = 4  # kept by receivers; packets can name no more
_LATEST: Final = 16  # limit of the rest's growth while sources do not help


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """When a frame becomes a source, and how much sources may cost.

    Raises:
        ValueError: A number is out of its range.
    """

    below_db: float = 25.0  # PSNR of receivers' pictures below which a source is sent
    sources: int = MAX_SOURCES  # kept at once, 2 to 4; source 0 stays
    every_frames: int = 12  # interval at which a picture is made and compared
    rest_frames: int = 25  # minimum from one source to the next
    gain_db: float = 1.0  # that a source must gain, or the rest before the next one doubles
    images: int = 12  # the most that are sent, not counting the first
    total_bytes: int = 64 * 1024  # the most that they may take together

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
    """Chooses the sources of one video after the first, by the quality of receivers' pictures.

    Args:
        settings: When, and how much.

    Attributes:
        images: Sources sent so far, not counting the first.
        bytes: Their size, as far as reported to `sent`.
    """

    def __init__(self, settings: RefreshSettings | None = None) -> None:
        self._settings = RefreshSettings() if settings is None else settings
        self._used = {0: 0}  # frame at which each source was last in use
        self._looked = 0
        self._latest = 0  # the last frame that became a source
        self._before: float | None = None  # its PSNR, until it is known whether it helped
        self._patience = 1
        self.images = 0
        self.bytes = 0

    def due(self, index: int) -> bool:
        """Whether to make and compare the picture of a frame that is later than all before."""
        settings = self._settings
        spent = self.images >= settings.images or self.bytes >= settings.total_bytes
        return not spent and index - self._looked >= settings.every_frames

    def see(self, index: int, psnr_db: float, source: int) -> int | None:
        """Returns the index of the source that a frame becomes; None if it does not.

        Args:
            index: Index of the frame that was due.
            psnr_db: PSNR of the picture that receivers make of it.
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
        """Returns a free index, or the least recently used one; never 0."""
        for index in range(1, self._settings.sources):
            if index not in self._used:
                return index
        return min((one for one in self._used if one), key=lambda one: (self._used[one], one))
