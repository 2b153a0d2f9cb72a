"""Which packets are lost: independently, or in bursts by a two-state chain (Gilbert 1960).

    good -> bad  with p,  bad -> good  with r;  packets are lost in the bad state and only there

    share lost   p / (p + r)            = loss
    mean burst   1 / r                  = mean_burst
    hence        r = 1 / mean_burst,      p = loss r / (1 - loss)

Elliott (1963) also lets packets get through in the bad state, and be lost in the good one; this
model does not. The first state is drawn from the stationary distribution, so the share of losses
is right from the start.
"""

from __future__ import annotations

from motioncast.emulation.link import Link


class Losses:
    """Decides for every packet in turn whether it is lost."""

    def __init__(self, link: Link) -> None:
        self._loss = link.loss
        self._bursts = link.mean_burst
        self._bad: bool | None = None  # the state at the previous packet

    def lost(self, uniform: float) -> bool:
        """Returns whether the next packet is lost.

        Args:
            uniform: A number drawn from [0, 1).
        """
        if self._bursts is None or self._bad is None:
            self._bad = uniform < self._loss
        elif self._bad:
            self._bad = uniform >= 1 / self._bursts
        else:
            self._bad = uniform < self._loss / (self._bursts * (1 - self._loss))
        return self._bad
