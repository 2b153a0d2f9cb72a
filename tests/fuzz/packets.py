"""Attacks the keypoint decoder with bytes: they decode, or raise BitstreamError, in bounded time.

    python tests/fuzz/packets.py [--tables codec.json] -max_total_time=600      with atheris
    python tests/fuzz/packets.py [--tables codec.json] --minutes 10 [--seed 0]  without

Every input is a stream of packets to one decoder, each behind a byte with its length, so that
packets refer to what earlier ones left. After each input the page's invariants are checked: frames
are finite, in range, and those of the packet decoded again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

try:
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]
except ImportError:  # there is no wheel for every machine
    watched: AbstractContextManager[None] = nullcontext()
else:
    watched = atheris.instrument_imports(include=["motioncast.codec"])
with watched:
    from motioncast.codec import (
        BitstreamError,
        CodecTables,
        FrameReference,
        KeypointDecoder,
        KeypointEncoder,
        SourceReference,
        read_tables,
    )

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.codec_tables import turned_tables

SLOWEST_SECONDS = 1.0  # processor time of one packet


def attack(tables: CodecTables, stream: bytes) -> int:
    """Feeds a stream to a decoder; returns how many packets decoded."""
    decoder = KeypointDecoder(tables)
    decoder.set_source(0, np.full((tables.keypoints, 3), 0.5, np.float32))
    decoded = 0
    for packet in packets(stream):
        began = time.process_time()
        try:
            frames = decoder.decode(packet)
        except BitstreamError:
            continue
        finally:
            assert time.process_time() - began < SLOWEST_SECONDS, packet.hex()
        decoded += 1
        try:
            again = decoder.decode(packet)
        except BitstreamError as error:  # its own frames made the decoder forget what it refers to
            if "is not known" in str(error) or "before the first" in str(error):
                continue
            raise
        for one, other in zip(frames, again, strict=True):
            assert one.index == other.index
            np.testing.assert_array_equal(one.keypoints, other.keypoints)
            assert np.isfinite(one.keypoints).all()
            assert (np.abs(one.keypoints) <= 1).all()
            assert (one.keypoints[:, 2] >= 0).all()
    return decoded


def packets(stream: bytes) -> Iterator[bytes]:
    """Yields the packets of a stream: a byte with the length, then as many bytes."""
    place = 0
    while place < len(stream):
        end = place + 1 + stream[place]
        yield stream[place + 1 : end]
        place = end


def honest_stream(tables: CodecTables, seed: int) -> bytes:
    """Returns what a sender would send."""
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


def mutate(stream: bytes, chance: random.Random) -> bytes:
    """Returns a stream with some bytes changed, left out, put in or doubled."""
    spoiled = bytearray(stream)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(spoiled) + 1)
        match chance.randrange(5):
            case 0:
                spoiled[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del spoiled[place : place + chance.randint(1, 8)]
            case 2:
                spoiled[place:place] = chance.randbytes(chance.randint(1, 8))
            case 3:
                spoiled[place:place] = spoiled[place : place + chance.randint(1, 40)]
            case 4 if place < len(spoiled):
                spoiled[place] ^= 1 << chance.randrange(8)
    return bytes(spoiled) or b"\0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, help="of a model (default: small ones)")
    parser.add_argument("--minutes", type=float, help="of processor time, without atheris")
    parser.add_argument("--seed", type=int, default=0)
    options, rest = parser.parse_known_args()
    tables = read_tables(options.tables) if options.tables else turned_tables(4, 9)
    if options.minutes is None:  # atheris, with libFuzzer's own options
        atheris.Setup([sys.argv[0], *rest], lambda data: attack(tables, data) and None)
        atheris.Fuzz()
        return
    chance = random.Random(options.seed)
    streams, tried, decoded = [honest_stream(tables, seed) for seed in range(50)], 0, 0
    while time.process_time() < 60 * options.minutes:
        stream = mutate(chance.choice(streams), chance)
        decoded += attack(tables, stream)
        tried += 1
    print(f"{tried} streams, {decoded} packets decoded, every other refused; seed {options.seed}")


if __name__ == "__main__":
    main()
