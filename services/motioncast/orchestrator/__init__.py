"""The orchestrator: sessions, timeline, gap filling and accounting over the three services."""

from motioncast.orchestrator.service import registration
from motioncast.orchestrator.settings import OrchestratorSettings, ServiceAddresses

__all__ = ["OrchestratorSettings", "ServiceAddresses", "registration"]
