"""Fuzzes the keypoint decoder: input must decode or raise BitstreamError, in bounded time.

An input is a stream of packets to one decoder, each prefixed by a length byte, so that packets can
refer to earlier ones. After each packet the documented invariants are checked: frames are finite
and in range, and decoding the packet again gives the same frames. An input that begins with `{` is
codec tables, which must be read or raise TablesError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from fuzz.fuzzing import Target
from support.codec_tables import turned_tables

from motioncast.codec import (
    BitstreamError,
    CodecTables,
    FrameReference,
    KeypointDecoder,
    KeypointEncoder,
    SourceReference,
    TablesError,
    decode_source,
    read_tables,
)
from motioncast.codec.tables_file import write_tables

TABLES: Final = turned_tables(4, 9)


def attack(data: bytes) -> bool:
    """Feeds a stream to a decoder, or reads tables; returns whether anything was accepted."""
    if data.startswith(b"{"):
        try:
            read_tables(data)
        except TablesError:
            return False
        return True
    decoder = KeypointDecoder(TABLES)
    decoder.set_source(0, np.full((TABLES.keypoints, 3), 0.5, np.float32))
    taken = [packet for packet in packets(data) if decodes(decoder, packet)]
    try:
        sources = decode_source(data, TABLES.keypoints)
    except BitstreamError:
        return bool(taken)
    check(sources)
    return True


def decodes(decoder: KeypointDecoder, packet: bytes) -> bool:
    """Feeds a packet to a decoder twice; returns whether it was valid."""
    try:
        frames = decoder.decode(packet)
    except BitstreamError:
        return False
    try:
        again = decoder.decode(packet)
    except BitstreamError as error:  # its own frames evicted its reference
        if "is not known" not in str(error) and "before the first" not in str(error):
            raise
        return True
    for one, other in zip(frames, again, strict=True):
        assert one.index == other.index
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
        check(one.keypoints)
    return True


def check(keypoints: np.ndarray) -> None:
    """Raises AssertionError for keypoints that are not finite or out of range."""
    assert np.isfinite(keypoints).all()
    assert (np.abs(keypoints) <= 1).all()
    assert (keypoints[..., 2] >= 0).all()


def packets(stream: bytes) -> Iterator[bytes]:
    """Yields the packets of a stream: a length byte, then as many bytes."""
    place = 0
    while place < len(stream):
        end = place + 1 + stream[place]
        yield stream[place + 1 : end]
        place = end


def honest_stream(tables: CodecTables, seed: int) -> bytes:
    """Returns a valid stream as a sender would send it."""
    moves = np.random.default_rng(seed)
    encoder = KeypointEncoder(tables)
    start = np.full((tables.keypoints, 3), 0.5, np.float32)
    encoder.set_source(0, start)
    index, stream, now = 0, b"", start.astype(np.float64)
    for number in range(6):
        frames = []
        for _ in range(1 + int(moves.integers(3))):
            now = np.clip(now + moves.normal(0, 0.01, now.shape), [-1, -1, 0], 1)
            frames.append((index, now.astype(np.float32)))
            index += 1 + int(moves.integers(2))
        last = frames[0][0] - 1
        known = number > 0 and last in encoder
        reference = FrameReference(last) if known else SourceReference(0)
        packet = encoder.encode(frames, reference, int(moves.integers(8))).data
        stream += bytes([min(len(packet), 255)]) + packet[:255]
    return stream


def seeds() -> list[bytes]:
    """Returns fifty valid streams, and the tables."""
    streams = [honest_stream(TABLES, seed) for seed in range(50)]
    return [*streams, write_tables(TABLES).encode()]


TARGET: Final = Target(attack, seeds, longest=8192)
