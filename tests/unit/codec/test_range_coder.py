"""The range coder is lossless and needs hardly more bytes than the information content."""

from __future__ import annotations

from itertools import accumulate
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.codec.errors import BitstreamError
from motioncast.codec.range_coder import TOTAL, RangeDecoder, RangeEncoder

SKEWED = (TOTAL - 3, 1, 1, 1)
UNEVEN = 4
ALPHABETS = (
    SKEWED,
    (1, TOTAL - 1),
    (TOTAL // 2, TOTAL // 4, TOTAL // 4),
    (TOTAL,),
    (13001, 12007, TOTAL - 25008),
)

symbols = st.lists(
    st.integers(0, len(ALPHABETS) - 1).flatmap(
        lambda which: st.tuples(st.just(which), st.integers(0, len(ALPHABETS[which]) - 1))
    ),
    max_size=100,
)


def cumulative(which: int) -> list[int]:
    return [0, *accumulate(ALPHABETS[which])]


def encode(coded: list[tuple[int, int]]) -> tuple[bytes, float]:
    encoder = RangeEncoder()
    for which, symbol in coded:
        encoder.encode(cumulative(which)[symbol], ALPHABETS[which][symbol])
    return encoder.finish(), encoder.information_bits


def information(coded: list[tuple[int, int]]) -> float:
    return -sum(log2(ALPHABETS[which][symbol] / TOTAL) for which, symbol in coded)


@given(symbols)
def test_what_was_written_is_read(coded: list[tuple[int, int]]) -> None:
    data, _ = encode(coded)
    decoder = RangeDecoder(data)
    assert [(which, decoder.decode(cumulative(which))) for which, _ in coded] == coded
    assert len(data) <= decoder.position


@given(symbols)
def test_bytes_are_those_of_the_information_and_one_at_most(coded: list[tuple[int, int]]) -> None:
    data, counted = encode(coded)
    exact = information(coded)
    assert exact <= counted + 1e-9
    assert counted <= exact * (1 + 1 / 256) + 1e-9  # shares are rounded by at most 1/512
    assert len(data) <= ceil(counted / 8)
    assert not data.endswith(b"\0")


def test_rounding_to_bytes_costs_a_third_of_a_byte() -> None:
    random = np.random.default_rng(1)
    over = []
    for length in random.integers(20, 60, 2000):
        coded = [(UNEVEN, int(s)) for s in random.choice(3, length, p=[0.4, 0.4, 0.2])]
        data, bits = encode(coded)
        over.append(len(data) - bits / 8)
    # 1/2 - (1 - 1/256) / ln 256: shortest encoding, for uniformly distributed fractions of a byte
    assert np.mean(over) == pytest.approx(0.5 - (1 - 1 / 256) / np.log(256), abs=0.02)


def test_what_is_certain_takes_no_byte() -> None:
    assert encode([(0, 0)] * 50)[0] == b""


@given(st.lists(st.tuples(st.integers(0, 32767), st.integers(1, 15)), max_size=50))
def test_bits_are_written_as_they_are(numbers: list[tuple[int, int]]) -> None:
    coded = [(value % (1 << bits), bits) for value, bits in numbers]
    encoder = RangeEncoder()
    for value, bits in coded:
        encoder.encode_bits(value, bits)
    decoder = RangeDecoder(encoder.finish())
    assert [(decoder.decode_bits(bits), bits) for _, bits in coded] == coded


def test_the_remainder_of_the_division_stands_for_no_symbol() -> None:
    # Two symbols of frequency 20001 leave a range of 80004 * 20001, 260 more than 2^15 shares.
    likely, left = (0, 20001, TOTAL), 80004 * 20001
    assert left % TOTAL == 260
    for code, refused in ((left - 261, False), (left - 260, True), (left - 1, True)):
        decoder = RangeDecoder(code.to_bytes(4, "big"))
        assert [decoder.decode(likely), decoder.decode(likely)] == [0, 0]
        if refused:
            with pytest.raises(BitstreamError, match="decode to no symbol"):
                decoder.decode(likely)
        else:
            assert decoder.decode(likely) == 1
