"""Source keypoints decode to their lattice values, and any other bytes are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.codec import BitstreamError, decode_source, encode_source, from_lattice
from motioncast.codec.source_keypoints import MAX_SOURCE_BYTES

PAGE = Path(__file__).parents[3] / "docs" / "bitstream.md"


def points(values: list[tuple[int, int, int]]) -> np.ndarray:
    return from_lattice(np.array(values).reshape(-1))


POSITION = st.integers(-16384, 16384)
SOURCES = st.lists(st.tuples(POSITION, POSITION, st.integers(0, 16384)), min_size=1, max_size=90)


@given(SOURCES)
def test_what_is_on_the_lattice_comes_back_as_it_was(values: list[tuple[int, int, int]]) -> None:
    sent = points(values)
    np.testing.assert_array_equal(decode_source(encode_source(sent), len(sent)), sent)


def test_what_is_not_comes_back_as_its_nearest_point() -> None:
    sent = np.random.default_rng(0).uniform(0, 1, (80, 3)).astype(np.float32)
    got = decode_source(encode_source(sent), 80)
    np.testing.assert_array_equal(got, np.rint(sent * 16384) / 16384)


def test_the_largest_source_fits() -> None:
    ends = np.tile(np.array([[-1, -1, 0], [1, 1, 1]], np.float32), (128, 1))
    assert len(encode_source(ends)) <= MAX_SOURCE_BYTES


def bits_of(text: str) -> bytes:
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def test_bits_are_in_the_order_of_the_page() -> None:
    """k, then ones, a zero, and the rest: a range coder copies equally likely bits unchanged."""
    folded, ks = (16384, 8191, 16384), (13, 12, 13)
    text = "".join(
        f"{k:04b}{'1' * (n >> k)}0{n & (1 << k) - 1:0{k}b}" for n, k in zip(folded, ks, strict=True)
    )
    made = encode_source(points([(8192, -4096, 8192)]))
    assert made == bits_of(text).rstrip(b"\0")
    assert f"`{made.hex()}`" in PAGE.read_text(encoding="utf-8")


@given(st.binary(max_size=40), st.integers(1, 8))
def test_any_bytes_are_keypoints_or_refused(data: bytes, count: int) -> None:
    try:
        found = decode_source(data, count)
    except BitstreamError:
        return
    assert found.shape == (count, 3)
    np.testing.assert_array_equal(decode_source(encode_source(found), count), found)


@pytest.mark.parametrize("data", [b"\xff" * 3000, b"\xff" * 60, b"\x10\0"])
def test_what_was_never_coded_is_refused(data: bytes) -> None:
    with pytest.raises(BitstreamError):
        decode_source(data, 2)
