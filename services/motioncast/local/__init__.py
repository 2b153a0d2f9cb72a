"""All four services in one process, over real gRPC: for demos, tests, benches and small machines.

async with LocalServices() as services:
    async with connect(services.target) as service:
        ...
"""

from motioncast.local.services import LocalServices, LocalSettings, Pipeline, Ports

__all__ = ["LocalServices", "LocalSettings", "Pipeline", "Ports"]
