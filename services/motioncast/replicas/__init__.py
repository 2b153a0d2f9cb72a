"""Several servers that answer the same: where they are, and whom a call goes to.

target -> addresses -> Replicas: one connection each, in turn, again elsewhere, left out
"""

from motioncast.replicas.addresses import LOOK_SECONDS, listed, named, resolved
from motioncast.replicas.pool import ReplicaMetrics, Replicas, pauses

__all__ = ["LOOK_SECONDS", "ReplicaMetrics", "Replicas", "listed", "named", "pauses", "resolved"]
