"""Which packets are lost: each by itself, or in bursts by a chain of two states (Gilbert 1960).

    good -> bad  with p,  bad -> good  with r;  a packet is lost in the bad state and in no other

    share lost   p / (p + r)            = loss
    mean burst   1 / r                  = mean_burst
    hence        r = 1 / mean_burst,      p = loss r / (1 - loss)

Elliott (1963) lets packets get through in the bad state, and be lost in the good one; here neither
happens. The first state is drawn from the stationary distribution: the share holds from the start.
"""

from __future__ import annotations

from motioncast.emulation.link import Link


class Losses:
    """Says of every packet in turn whether it is lost."""

    def __init__(self, link: Link) -> None:
        self._loss = link.loss
        self._bursts = link.mean_burst
        self._bad: bool | None = None  # the state at the packet before

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
