"""The decoder, example and vectors in docs/bitstream.md agree with the code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.codec_tables import geometric_rows, plain_tables, turned_tables
from support.documents import ROOT

from motioncast.codec import (
    BitstreamError,
    CodecTables,
    FrameReference,
    KeypointDecoder,
    KeypointEncoder,
    SourceReference,
    to_lattice,
)

PAGE = (ROOT / "docs" / "bitstream.md").read_text(encoding="utf-8")
EXAMPLE = replace(plain_tables(1), steps=np.array([164, 164, 512]))
SOURCE = np.array([[0, 0, 0.5]], np.float32)

PlainFrames = dict[int, list[int]]
PlainFound = tuple[PlainFrames, dict[int, int]]  # frames, and the number skipped before each


@cache
def plain_decode() -> Callable[..., PlainFound]:
    """Returns the decoder printed on the page."""
    code = re.search(r"^## A decoder.*?^```python\n(.*?)^```", PAGE, re.S | re.M)
    assert code is not None
    room: dict[str, Any] = {}
    exec(code[1], room)
    found: Callable[..., PlainFound] = room["decode"]
    return found


@cache
def plain(tables: CodecTables) -> dict[str, Any]:
    names = ("matrix", "steps", "profiles", "scales", "classes")
    return {name: getattr(tables, name).tolist() for name in names}


def vectors() -> list[tuple[bytes, str]]:
    section = PAGE[PAGE.index("## Test vectors") : PAGE.index("## A decoder")]
    rows = re.findall(r"^\| ((?:`[0-9a-f ]+` ?)+)\| (.+) \|$", section, re.M)
    return [(bytes.fromhex(packet.replace("`", "")), said) for packet, said in rows]


def test_the_example_is_what_the_encoder_writes() -> None:
    encoder = KeypointEncoder(EXAMPLE)
    encoder.set_source(0, SOURCE)
    keypoints = np.array([[0.02, -0.01, 0.5]], np.float32)
    packet = encoder.encode([(0, keypoints)], SourceReference(0))
    assert f"**Packet: `{packet.data.hex()}`.**" in PAGE
    assert to_lattice(packet.keypoints[0]).tolist() == [328, -164, 8192]
    assert " ".join(map(str, geometric_rows()[40])) in PAGE


def test_vectors_decode_as_the_page_says() -> None:
    decoder = KeypointDecoder(EXAMPLE)
    decoder.set_source(0, SOURCE)
    assert len(vectors()) == 12
    for packet, said in vectors():
        if said.startswith("error"):
            with pytest.raises(BitstreamError):
                decoder.decode(packet)
            continue
        found = [
            f"{frame.index}: {' '.join(map(str, to_lattice(frame.keypoints).tolist()))}"
            f"{f', {frame.skipped} left out before it' if frame.skipped else ''}"
            for frame in decoder.decode(packet)
        ]
        assert "; ".join(found) == said


TABLES = (EXAMPLE, plain_tables(5), turned_tables(4, 7))


@settings(max_examples=60, deadline=None)
@given(
    which=st.integers(0, len(TABLES) - 1),
    seed=st.integers(0, 2**32 - 1),
    speed=st.sampled_from([0.0, 0.003, 0.03, 1.0]),
    gaps=st.lists(st.integers(1, 20), min_size=1, max_size=8),
    coarseness=st.integers(0, 7),
    anchor=st.booleans(),
    left_out=st.none() | st.floats(0, 1),
)
def test_the_pages_decoder_agrees_with_ours(
    which: int,
    seed: int,
    speed: float,
    gaps: list[int],
    coarseness: int,
    anchor: bool,
    left_out: float | None,
) -> None:
    tables, decode, random = TABLES[which], plain_decode(), np.random.default_rng(seed)
    start = random.uniform([-1, -1, 0], 1, (tables.keypoints, 3)).astype(np.float32)
    encoder, decoder = KeypointEncoder(tables), KeypointDecoder(tables)
    for end in (encoder, decoder):
        end.set_source(1, start)
    sources, frames = {1: to_lattice(start).tolist()}, PlainFrames()
    first = encoder.encode([(0, start)], SourceReference(1))
    walk = start + np.cumsum(random.normal(0, speed, (len(gaps), *start.shape)), axis=0)
    indices = np.cumsum(gaps).tolist()
    walked = list(zip(indices, walk.astype(np.float32), strict=True))
    reference = SourceReference(1) if anchor else FrameReference(0)
    skipped = () if left_out is None else [round(left_out * (gap - 1)) for gap in gaps]
    second = encoder.encode(walked, reference, coarseness, skipped)
    assert second.data[0] >> 6 == (2 if any(skipped) else 1)
    for packet in (first, second):
        found, before = decode(plain(tables), frames, sources, packet.data)
        ours = decoder.decode(packet.data)
        assert found == {one.index: to_lattice(one.keypoints).tolist() for one in ours}
        assert before == {one.index: one.skipped for one in ours}
        np.testing.assert_array_equal(packet.keypoints, [one.keypoints for one in ours])
        frames |= found


@settings(max_examples=150, deadline=None)
@given(which=st.integers(0, len(TABLES) - 1), body=st.binary(max_size=40), head=st.integers(0, 255))
def test_both_decoders_accept_and_refuse_the_same_bytes(which: int, body: bytes, head: int) -> None:
    tables, packet = TABLES[which], bytes([head, 0, 1, 4]) + body
    start = np.full((tables.keypoints, 3), 0.5, np.float32)
    points = to_lattice(start).tolist()
    decoder = KeypointDecoder(tables)
    decoder.set_source(0, start)
    decoder.decode(still_packet(tables, start))
    try:
        decoded = decoder.decode(packet)
        ours: PlainFound | None = (
            {one.index: to_lattice(one.keypoints).tolist() for one in decoded},
            {one.index: one.skipped for one in decoded},
        )
    except BitstreamError:
        ours = None
    try:
        theirs = plain_decode()(plain(tables), {0: points}, {0: points}, packet)
    except (ValueError, KeyError):
        theirs = None
    assert ours == theirs


def still_packet(tables: CodecTables, start: np.ndarray) -> bytes:
    encoder = KeypointEncoder(tables)
    encoder.set_source(0, start)
    return encoder.encode([(0, start)], SourceReference(0)).data
