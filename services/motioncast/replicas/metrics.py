"""What is counted of the replicas of a service."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class ReplicaMetrics:
    """Metrics of calls to replicas; model servers are the service "models"."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.again = Counter(
            "motioncast_backend_calls_again",
            "Calls to services behind the orchestrator, or to model servers, that were repeated "
            "because a replica failed or was slow.",
            ("service", "reason"),
            registry=registry,
        )
        self.replicas = Gauge(
            "motioncast_backend_replicas",
            "Replicas of services behind the orchestrator, or model servers; out: excluded until "
            "recovered, because it failed or was slow.",
            ("service", "state"),
            registry=registry,
        )
