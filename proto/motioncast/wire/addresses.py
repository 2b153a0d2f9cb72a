"""Addresses of servers: joining host and port, and recognising this machine's own addresses.

host:port    [2001:db8::1]:port    dns:///name:port    ipv4:127.0.0.1:port    unix:/path
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import unquote

_NO_PROXY: Final = (("grpc.enable_http_proxy", 0),)
_HOST_AND_PORT: Final = ("ipv4:", "ipv6:", "dns:")


def join_address(host: str, port: int) -> str:
    """Returns host and port as one; an IPv6 address gets brackets, as in URLs."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(target: str) -> str:
    """Returns the host of a gRPC target or peer; "" for a Unix domain socket."""
    target = unquote(target)  # gRPC writes the brackets of a peer as %5B and %5D
    if target.startswith(("unix:", "unix-abstract:")):
        return ""
    for scheme in _HOST_AND_PORT:
        if target.startswith(scheme):
            target = target.removeprefix(scheme)
            break
    target = target.rpartition("/")[2]  # dns://resolver/host:port
    if target.startswith("["):
        return target[1:].partition("]")[0]
    return target if target.count(":") > 1 else target.rpartition(":")[0] or target


def is_loopback(target: str) -> bool:
    """Returns whether a gRPC target is on this machine, by its name alone, without a DNS query."""
    host = host_of(target).rstrip(".").lower()
    if not host or _is_localhost(host):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_only_here(host: str) -> bool:
    """Returns whether a server listening at a host can be reached from this machine only.

    Decided by the name alone, like `is_loopback`; 0.0.0.0 and :: stand for all its addresses.
    """
    host = host.strip("[]").rstrip(".").lower()
    address = _address(host)
    return _is_localhost(host) or (address is not None and address.is_loopback)


def proxy_options(target: str) -> tuple[tuple[str, int], ...]:
    """Returns the channel options that bypass the environment's proxy for loopback targets."""
    return _NO_PROXY if is_loopback(target) else ()


def _is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Returns the address that a host stands for; None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
