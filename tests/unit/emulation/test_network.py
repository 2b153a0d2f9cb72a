"""An emulated network behaves as its link specifies, exactly or statistically."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from motioncast.emulation import Link, LinkError, Losses, Network

PACKETS = 40_000


def lost(link: Link, seed: int = 3) -> list[bool]:
    losses = Losses(link)
    return [losses.lost(one) for one in np.random.default_rng(seed).random(PACKETS).tolist()]


def runs(values: list[bool]) -> list[int]:
    return [len(list(run)) for value, run in groupby(values) if value]


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2, 0.4])
@pytest.mark.parametrize("burst", [None, 1.5, 4.0])
def test_the_share_lost_is_the_loss_within_four_standard_deviations(
    loss: float, burst: float | None
) -> None:
    found = np.mean(lost(Link(loss=loss, mean_burst=burst)))
    # The chain's autocorrelation at lag one, 1 - p - r, increases the deviation of the mean.
    kept = 0.0 if burst is None else 1 - 1 / burst - loss / (burst * (1 - loss))
    variance = loss * (1 - loss) / PACKETS * (1 + kept) / (1 - kept)
    assert abs(found - loss) <= 4 * variance**0.5


@pytest.mark.parametrize(("loss", "burst"), [(0.1, 2.0), (0.2, 4.0), (0.4, 4.0)])
def test_bursts_are_geometric_with_the_mean_that_was_asked_for(loss: float, burst: float) -> None:
    lengths = runs(lost(Link(loss=loss, mean_burst=burst)))
    deviation = (burst * (burst - 1) / len(lengths)) ** 0.5  # of the mean of geometric lengths
    assert abs(np.mean(lengths) - burst) <= 4 * deviation
    share_of_one = np.mean([length == 1 for length in lengths])
    expected = 1 / burst
    assert abs(share_of_one - expected) <= 4 * (expected * (1 - expected) / len(lengths)) ** 0.5


def test_independent_losses_come_in_runs_of_one_over_one_minus_loss() -> None:
    lengths = runs(lost(Link(loss=0.2)))
    assert np.mean(lengths) == pytest.approx(1.25, abs=0.03)


def test_the_same_seed_gives_the_same_arrivals_and_another_one_others() -> None:
    link = Link(loss=0.3, jitter_seconds=0.02, reordered=0.1, duplicated=0.1)

    def arrivals(seed: int) -> list[tuple[float, int, int]]:
        network = Network(link, seed)
        for number in range(200):
            network.send(b"x", number * 0.04)
        return [(one.seconds, one.number, one.copy) for one in network.deliver(60.0)]

    assert arrivals(1) == arrivals(1)
    assert arrivals(1) != arrivals(2)


def test_the_same_packets_are_lost_with_and_without_jitter() -> None:
    def arrived(link: Link) -> set[int]:
        network = Network(link, 5)
        for number in range(300):
            network.send(b"x", number * 0.04)
        return {one.number for one in network.deliver(60.0)}

    assert arrived(Link(loss=0.3)) == arrived(Link(loss=0.3, jitter_seconds=0.1, duplicated=0.5))


def test_a_packet_arrives_after_the_delay_and_not_before() -> None:
    network = Network(Link(delay_seconds=0.1))
    network.send(b"one", 1.0)
    assert network.deliver(1.0999) == []
    (arrival,) = network.deliver(1.1)
    assert (arrival.seconds, arrival.data) == (1.1, b"one")
    assert network.deliver(9.0) == []


def test_jitter_lengthens_the_delay_up_to_itself_and_keeps_the_order() -> None:
    network = Network(Link(delay_seconds=0.05, jitter_seconds=0.1), seed=2)
    for number in range(500):
        network.send(b"x", number * 0.01)
    arrived = network.deliver(99.0)
    assert [one.number for one in arrived] == list(range(500))
    extra = [one.seconds - one.number * 0.01 - 0.05 for one in arrived]
    assert min(extra) >= 0
    assert max(extra) <= 0.1


def test_a_reordered_packet_is_overtaken_by_those_sent_while_it_is_held_back() -> None:
    network = Network(Link(reordered=1.0, reordered_seconds=0.1))
    network.send(b"late", 0.0)
    calm = Network(Link(reordered=0.2, reordered_seconds=0.1), seed=1)
    for number in range(1000):
        calm.send(b"x", number * 0.04)
    arrived = calm.deliver(99.0)
    held = [one for one in arrived if one.seconds > one.number * 0.04]
    assert len(held) / 1000 == pytest.approx(0.2, abs=4 * (0.16 / 1000) ** 0.5)
    assert [one.seconds for one in network.deliver(1.0)] == [0.1]
    place = {one.number: place for place, one in enumerate(arrived)}
    assert all(place[one.number + 1] < place[one.number] for one in held[:-3] if one not in held)


def test_every_packet_comes_twice_where_all_are_duplicated() -> None:
    network = Network(Link(duplicated=1.0))
    for data in (b"a", b"b"):
        network.send(data, 0.0)
    assert [(one.data, one.copy) for one in network.deliver(0.0)] == [
        (b"a", 0),
        (b"a", 1),
        (b"b", 0),
        (b"b", 1),
    ]


def test_bandwidth_spaces_packets_by_their_size_and_a_full_queue_loses_them() -> None:
    network = Network(Link(bits_per_second=8000, queue_bytes=200))  # 100 bytes in 0.1 s
    for _ in range(4):
        network.send(bytes(100), 0.0)
    assert [one.seconds for one in network.deliver(9.0)] == pytest.approx([0.1, 0.2, 0.3])
    assert (network.sent, network.lost) == (4, 1)


def test_a_clock_that_goes_back_is_refused() -> None:
    network = Network(Link())
    network.deliver(1.0)
    with pytest.raises(ValueError, match="goes back"):
        network.send(b"x", 0.5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"loss": 1.0}, "loss: below 1"),
        ({"loss": -0.1}, "loss: 0 to 1"),
        ({"loss": 0.9, "mean_burst": 2.0}, "mean_burst: 9 or more"),
        ({"mean_burst": 0.5}, "mean_burst: 1 to 1000"),
        ({"delay_seconds": 61.0}, "delay_seconds"),
        ({"bits_per_second": 0.0}, "bits_per_second"),
    ],
)
def test_a_link_that_cannot_be_is_refused(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(LinkError, match=sentence):
        Link(**settings)  # type: ignore[arg-type]
