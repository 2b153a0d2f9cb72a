"""Places are limited in total, and to a quarter of that per peer."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from motioncast.serving.places import Places, peer_name
from motioncast.wire.errors import ExhaustedError


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("ipv4:192.0.2.1:40000", "192.0.2.1"),
        ("ipv4:127.0.0.1:40000", "ipv4:127.0.0.1:40000"),  # locally, each connection is a peer
        ("ipv6:%5B::1%5D:40000", "ipv6:%5B::1%5D:40000"),
        ("ipv6:%5B::ffff:127.0.0.1%5D:4", "ipv6:%5B::ffff:127.0.0.1%5D:4"),
        ("ipv6:%5B::ffff:192.0.2.1%5D:40000", "192.0.2.1"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:40000", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2:ffff::9%5D:1", "2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:40000", "fe80::/64"),
        ("unix:", "unix:"),
    ],
)
def test_a_peer_is_an_address_and_of_ipv6_a_network(peer: str, name: str) -> None:
    assert peer_name(peer) == name


@pytest.mark.parametrize(("most", "quarter"), [(64, 16), (7, 1), (1, 1)])
def test_one_peer_has_a_quarter(most: int, quarter: int) -> None:
    places = Places("sessions", most)
    with ExitStack() as taken:
        for port in range(quarter):
            taken.enter_context(places.one_for(f"ipv4:192.0.2.1:{port}"))
        assert places.taken == quarter
        with pytest.raises(ExhaustedError) as refused:
            taken.enter_context(places.one_for("ipv4:192.0.2.1:9"))
        if most > quarter:
            taken.enter_context(places.one_for("ipv4:192.0.2.2:9"))
    assert refused.value.retry_after_seconds == 1
    assert places.taken == 0


def test_all_peers_together_have_all() -> None:
    places = Places("sessions", 8)
    with ExitStack() as taken:
        for number in range(8):
            taken.enter_context(places.one_for(f"ipv4:192.0.2.{number // 2}:1"))
        with pytest.raises(ExhaustedError, match="sessions: 8 are active, the limit is 8"):
            taken.enter_context(places.one_for("ipv4:198.51.100.1:1"))


def test_a_place_is_free_again_whatever_happens_in_it() -> None:
    places = Places("sessions", 1)
    with pytest.raises(ZeroDivisionError), places.one_for("unix:"):
        raise ZeroDivisionError
    with places.one_for("unix:"):
        assert places.taken == 1
