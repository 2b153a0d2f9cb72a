"""Which frame a packet's residual refers to: the fewest bits, or the most certain to be there.

    before         the last frame sent: fewest bits, but one loss breaks all that follow; for
                   lossless carriers
    acknowledged   the newest frame that the receiver is known to have: a loss breaks no other frame
    source         needs no history and no acknowledgements: about twice the bits of `before`
    adaptive       `acknowledged` for two seconds after the start and every loss, else `before`

A chosen frame that lies further back than a packet can express is replaced by the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from motioncast.sending.link import LinkState

# Link and index of the due frame -> the frame to refer to; None: a source.
ReferenceChoice = Callable[[LinkState, int], int | None]


def before(link: LinkState, now: int) -> int | None:
    """Returns the last frame sent."""
    return link.newest_sent


def acknowledged(link: LinkState, now: int) -> int | None:
    """Returns the newest frame that the receiver is known to have."""
    return link.newest_acknowledged


def source(link: LinkState, now: int) -> int | None:
    """Returns None: always a source."""
    return None


def adaptive(link: LinkState, now: int) -> int | None:
    """Returns the last frame sent if there was no loss for two seconds, else `acknowledged`."""
    return acknowledged(link, now) if link.lossy(now) else before(link, now)


REFERENCES: Final[Mapping[str, ReferenceChoice]] = {
    "before": before,
    "adaptive": adaptive,
    "acknowledged": acknowledged,
    "source": source,
}
