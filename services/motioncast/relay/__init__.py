"""RelayService: passes keypoint packets from one sender to those who watch, and renders nothing."""

from motioncast.relay.service import registration
from motioncast.relay.settings import RelaySettings

__all__ = ["RelaySettings", "registration"]
