"""Replicas of a service: their addresses, and which of them a call goes to.

target -> addresses -> Replicas: one connection each, round robin, retries elsewhere, exclusion
"""

from motioncast.replicas.addresses import LOOK_SECONDS, listed, named, resolved
from motioncast.replicas.metrics import ReplicaMetrics
from motioncast.replicas.pool import Replicas, pauses

__all__ = ["LOOK_SECONDS", "ReplicaMetrics", "Replicas", "listed", "named", "pauses", "resolved"]
