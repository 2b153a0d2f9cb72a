"""Channels from the orchestrator to the services behind it."""

from __future__ import annotations

import json
from typing import Final

import grpc
import grpc.aio

from motioncast.tracing import traced_channel
from motioncast.wire.addresses import join_address, proxy_options

MAX_INTERNAL_MESSAGE_BYTES: Final = 64 * 1024 * 1024

# Round robin over the replicas behind a `host:port` name, which gRPC resolves itself.
_SERVICE_CONFIG: Final = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_OPTIONS: Final = (
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.max_send_message_length", MAX_INTERNAL_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_INTERNAL_MESSAGE_BYTES),
    # Finds a replica that comes back within a second, and does not wait for one that hangs.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 1_000),  # the limit of one attempt, despite its name
    ("grpc.keepalive_time_ms", 30_000),  # a host that vanished is noticed within a minute
    ("grpc.keepalive_timeout_ms", 10_000),
    # One connection per orchestrator, even when several in one process share an address.
    ("grpc.use_local_subchannel_pool", 1),
)


def open_channel(
    target: str, named: tuple[str, int] | None, credentials: grpc.ChannelCredentials | None
) -> grpc.aio.Channel:
    """Opens a channel; for an address of a name, the certificate must match the name."""
    options = [*_OPTIONS, *proxy_options(target)]
    if named is not None:
        options.append(("grpc.default_authority", join_address(*named)))
    if credentials is None:
        return traced_channel(grpc.aio.insecure_channel(target, options), target)
    if named is not None:
        options.append(("grpc.ssl_target_name_override", named[0]))
    return traced_channel(grpc.aio.secure_channel(target, credentials, options), target)
