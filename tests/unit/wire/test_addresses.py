"""Addresses in gRPC and URL notation, and which of them are local."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from motioncast.wire.addresses import host_of, is_loopback, join_address, proxy_options

LOOPBACK = [
    "localhost:50050",
    "LOCALHOST:50050",
    "localhost",
    "api.localhost:50050",
    "127.0.0.1:50050",
    "127.8.9.1:1",
    "[::1]:50050",
    "::1",
    "[::ffff:127.0.0.1]:5",
    "0.0.0.0:50050",
    "[::]:50050",
    "dns:///localhost:50050",
    "dns://1.1.1.1/localhost:50050",
    "dns:localhost:50050",
    "ipv4:127.0.0.1:50050",
    "ipv6:[::1]:50050",
    "ipv6:%5B::1%5D:50050",  # gRPC's notation of a peer
    "unix:/tmp/socket",
    "unix-abstract:name",
]
ELSEWHERE = [
    "example.org:50050",
    "localhost.example.org:50050",
    "127.example.org:1",
    "10.0.0.1:50050",
    "[2001:db8::1]:50050",
    "dns:///synthesis:50053",
    "dns://127.0.0.1/synthesis:50053",  # the name service is local, the service is not
    "ipv4:192.0.2.1:5",
    "1270.0.0.1:5",
]


@pytest.mark.parametrize("target", LOOPBACK)
def test_this_machine_is_reached_without_a_proxy(target: str) -> None:
    assert is_loopback(target)
    assert proxy_options(target) == (("grpc.enable_http_proxy", 0),)


@pytest.mark.parametrize("target", ELSEWHERE)
def test_others_are_reached_as_the_environment_says(target: str) -> None:
    assert not is_loopback(target)
    assert proxy_options(target) == ()


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("name:50050", "name"),
        ("name", "name"),
        ("[2001:db8::1]:50050", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("ipv6:%5B2001:db8::1%5D:40000", "2001:db8::1"),
        ("ipv4:192.0.2.1:40000", "192.0.2.1"),
        ("dns:///name:1", "name"),
        ("unix:", ""),
    ],
)
def test_the_host_of_a_target(target: str, host: str) -> None:
    assert host_of(target) == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "2001:db8::1", "name"])
def test_host_and_port_are_read_back_from_a_url(host: str) -> None:
    url = urlsplit(f"http://{join_address(host, 8050)}/metrics")
    assert (url.hostname, url.port) == (host, 8050)
