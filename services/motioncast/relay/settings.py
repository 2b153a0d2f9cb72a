"""The relay's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from motioncast.wire.errors import InvalidInputError

MAX_SOURCE_BYTES: Final = 1 << 20  # per source image, as sent
MAX_PUBLISHED_BYTES: Final = MAX_SOURCE_BYTES + (1 << 16)  # per message: plus keypoints and crop
UNIT_BYTES: Final = 1200  # largest message that counts as one unit


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The relay's limits.

    Raises:
        InvalidInputError: A value is less than 1.
    """

    max_rooms: int = 64  # concurrent; a quarter of them for one peer
    max_watchers: int = 16  # per room
    max_all_watchers: int = 256  # in all rooms; a quarter of them for one peer
    max_waiting_packets: int = 64  # per watcher; beyond this it misses packets
    published_per_second: float = 500.0  # messages of one sender; each 1200 bytes count as one
    acknowledged_per_second: float = 50.0  # messages of one watcher
    calls_per_second: float = 50.0  # that one peer may start

    def __post_init__(self) -> None:
        for field in self.__slots__:
            if not getattr(self, field) >= 1:
                raise InvalidInputError.of(field, f"{getattr(self, field)} is less than 1")
