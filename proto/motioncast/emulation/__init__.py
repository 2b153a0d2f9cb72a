"""A network on a virtual clock: the same packets are lost and delayed for the same seed.

    network = Network(Link(loss=0.2, mean_burst=4, delay_seconds=0.1), seed=7)
    network.send(packet, now=0.04)
    for arrival in network.deliver(until=0.2): ...

Nothing sleeps and nothing is sent: tests and evaluations of loss advance the clock themselves.
"""

from motioncast.emulation.link import Link, LinkError
from motioncast.emulation.losses import Losses
from motioncast.emulation.network import Arrival, Network

__all__ = ["Arrival", "Link", "LinkError", "Losses", "Network"]
