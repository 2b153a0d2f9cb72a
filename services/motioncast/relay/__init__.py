"""RelayService: forwards keypoint packets from one sender to its watchers, and renders nothing."""

from motioncast.relay.service import registration
from motioncast.relay.settings import RelaySettings

__all__ = ["RelaySettings", "registration"]
