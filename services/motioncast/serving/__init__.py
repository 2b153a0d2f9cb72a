"""The kernel of all services: start, health, reflection, interceptors, admission, drain, metrics.

async with Server(ServerSettings(port=50051), [registration]) as server:
    await server.wait_for_termination()
"""

from motioncast.serving.call import Context
from motioncast.serving.connections import raise_file_limit
from motioncast.serving.deadline import Deadline
from motioncast.serving.identity import TokenSettings, caller
from motioncast.serving.logs import configure_logging
from motioncast.serving.metrics import Metrics
from motioncast.serving.patience import Patience, patience
from motioncast.serving.places import RETRY_AFTER_SECONDS, Places, peer_name
from motioncast.serving.registration import MAX_QUESTION_BYTES, Registration
from motioncast.serving.server import Server
from motioncast.serving.settings import ServerSettings
from motioncast.serving.termination import wait_for_signal
from motioncast.serving.tls import ChannelTls, ServerTls

__all__ = [
    "MAX_QUESTION_BYTES",
    "RETRY_AFTER_SECONDS",
    "ChannelTls",
    "Context",
    "Deadline",
    "Metrics",
    "Patience",
    "Places",
    "Registration",
    "Server",
    "ServerSettings",
    "ServerTls",
    "TokenSettings",
    "caller",
    "configure_logging",
    "patience",
    "peer_name",
    "raise_file_limit",
    "wait_for_signal",
]
