"""The orchestrator: sessions, timeline, gap filling and accounting over the three services."""

from motioncast.orchestrator.registration import registration
from motioncast.orchestrator.settings import (
    DatagramSettings,
    OrchestratorSettings,
    ServiceAddresses,
)

__all__ = ["DatagramSettings", "OrchestratorSettings", "ServiceAddresses", "registration"]
