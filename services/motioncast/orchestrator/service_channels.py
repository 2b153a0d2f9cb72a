"""Channels from the orchestrator to the services behind it."""

from __future__ import annotations

import json
from typing import Final

import grpc
import grpc.aio

from motioncast.tracing import traced_channel
from motioncast.wire.addresses import join_address, proxy_options

MAX_INTERNAL_MESSAGE_BYTES: Final = 64 * 1024 * 1024

# The replicas of a name that is not resolved here, `host:port`, take turns.
_SERVICE_CONFIG: Final = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_OPTIONS: Final = (
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.max_send_message_length", MAX_INTERNAL_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_INTERNAL_MESSAGE_BYTES),
    # A replica that comes back is found within a second, and one that hangs is not waited for.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 1_000),  # for one attempt, whatever its name says
    ("grpc.keepalive_time_ms", 30_000),  # a host that vanished is noticed within a minute
    ("grpc.keepalive_timeout_ms", 10_000),
    # One connection for each orchestrator, also when several in one process share an address.
    ("grpc.use_local_subchannel_pool", 1),
)


def open_channel(
    target: str, named: tuple[str, int] | None, credentials: grpc.ChannelCredentials | None
) -> grpc.aio.Channel:
    """Opens a channel; to an address of a name, it is the name that the certificate has to have."""
    options = [*_OPTIONS, *proxy_options(target)]
    if named is not None:
        options.append(("grpc.default_authority", join_address(*named)))
    if credentials is None:
        return traced_channel(grpc.aio.insecure_channel(target, options), target)
    if named is not None:
        options.append(("grpc.ssl_target_name_override", named[0]))
    return traced_channel(grpc.aio.secure_channel(target, credentials, options), target)
