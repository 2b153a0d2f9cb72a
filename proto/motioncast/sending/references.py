"""Which frame a packet's residual is against: the fewest bits, or the surest to be there.

    before         the last frame sent: fewest bits, but one loss breaks all that follow; for
                   carriers that lose nothing
    acknowledged   the newest frame that the receiver is known to have: no loss breaks another frame
    source         needs no history and no answers: about twice the bits of `before`
    adaptive       `acknowledged` for two seconds from the start and from every loss, else `before`

Whatever is chosen, what lies further back than a packet can say is replaced by the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from motioncast.sending.link import LinkState

# Link and the frame that is due -> the frame to refer to; None: a source.
ReferenceChoice = Callable[[LinkState, int], int | None]


def before(link: LinkState, now: int) -> int | None:
    """Returns the last frame sent."""
    return link.newest_sent


def acknowledged(link: LinkState, now: int) -> int | None:
    """Returns the newest frame that the receiver has."""
    return link.newest_acknowledged


def source(link: LinkState, now: int) -> int | None:
    """Returns that it is a source, always."""
    return None


def adaptive(link: LinkState, now: int) -> int | None:
    """Returns the last frame sent on a link that was clean for two seconds, else `acknowledged`."""
    return acknowledged(link, now) if link.lossy(now) else before(link, now)


REFERENCES: Final[Mapping[str, ReferenceChoice]] = {
    "before": before,
    "adaptive": adaptive,
    "acknowledged": acknowledged,
    "source": source,
}
