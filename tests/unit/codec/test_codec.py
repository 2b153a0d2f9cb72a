"""Keypoints decode to within the step, relative to the frame named in the packet."""

from __future__ import annotations

import random as plain_random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.codec_tables import plain_tables, turned_tables

from motioncast.codec import (
    MAX_PACKET_BYTES,
    BitstreamError,
    CodecTables,
    EncodingError,
    FrameReference,
    KeypointDecoder,
    KeypointEncoder,
    Reference,
    SourceReference,
    from_lattice,
    parse_header,
    to_lattice,
)
from motioncast.codec.transform import MULTIPLIERS

K = 4
STEP = 80
TABLES = plain_tables(K, STEP)
SOURCE = np.full((K, 3), 0.5, np.float32)


def pair(tables: CodecTables = TABLES) -> tuple[KeypointEncoder, KeypointDecoder]:
    ends = KeypointEncoder(tables), KeypointDecoder(tables)
    for end in ends:
        end.set_source(0, np.full((tables.keypoints, 3), 0.5, np.float32))
    return ends


def walk(frames: int, seed: int = 0, speed: float = 0.02) -> np.ndarray:
    moves = np.random.default_rng(seed).normal(0, speed, (frames, K, 3))
    clipped: np.ndarray = np.clip(SOURCE + np.cumsum(moves, axis=0), [-1, -1, 0], 1)
    return clipped.astype(np.float32)


@pytest.mark.parametrize("tables", [TABLES, turned_tables(K, 7)], ids=["plain", "turned"])
def test_a_preview_is_what_the_packet_decodes_to_and_keeps_nothing(tables: CodecTables) -> None:
    encoder, _ = pair(tables)
    frames = list(enumerate(walk(12)))
    one_by_one = [
        encoder.preview(frames[: count + 1], SourceReference(0))[-1] for count in range(8)
    ]
    np.testing.assert_array_equal(
        encoder.encode(frames[:8], SourceReference(0)).keypoints, one_by_one
    )
    encoder.encode(frames[8:9], FrameReference(7))
    with pytest.raises(EncodingError, match="8 is out of order"):
        encoder.preview(frames[8:9], FrameReference(7))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 7), st.floats(0, 0.5))
def test_no_coordinate_is_off_by_more_than_the_dead_zone(
    seed: int, coarseness: int, speed: float
) -> None:
    encoder, decoder = pair()
    moved = walk(6, seed, speed)
    reference: Reference = SourceReference(0)
    for index, keypoints in enumerate(moved):
        packet = encoder.encode([(index, keypoints)], reference, coarseness)
        (frame,) = decoder.decode(packet.data)
        step = max(1, round(STEP * MULTIPLIERS[coarseness] / 256)) / 16384
        assert frame.index == index
        assert np.abs(frame.keypoints - keypoints).max() <= 0.7 * step + 1 / 16384
        np.testing.assert_array_equal(frame.keypoints, packet.keypoints[0])
        reference = FrameReference(index)


def test_a_frame_that_stands_still_takes_the_header_alone() -> None:
    encoder, decoder = pair(plain_tables(1))
    encoder.encode([(0, SOURCE[:1])], SourceReference(0))
    decoder.set_source(0, SOURCE[:1])
    packet = encoder.encode([(1, SOURCE[:1])], SourceReference(0))
    assert len(packet.data) == 4
    np.testing.assert_array_equal(decoder.decode(packet.data)[0].keypoints, SOURCE[:1])


def test_packets_in_any_order_decode_alike_when_they_name_what_is_there() -> None:
    encoder, _ = pair()
    moved = walk(40)
    packets = [encoder.encode([(0, moved[0])], SourceReference(0)).data]
    for index in range(1, 40):
        packets.append(encoder.encode([(index, moved[index])], FrameReference(0)).data)

    def decoded(order: list[int]) -> dict[int, bytes]:
        decoder = pair()[1]
        found = {}
        for number in [0, *order]:
            for frame in decoder.decode(packets[number]):
                found[frame.index] = frame.keypoints.tobytes()
        return found

    shuffled = list(range(1, 40))
    plain_random.Random(5).shuffle(shuffled)
    assert decoded(list(range(1, 40))) == decoded(shuffled + shuffled[:7])


def test_a_lost_frame_is_named_and_an_anchor_goes_on() -> None:
    encoder, decoder = pair()
    moved = walk(4)
    decoder.decode(encoder.encode([(0, moved[0])], SourceReference(0)).data)
    encoder.encode([(1, moved[1])], FrameReference(0))  # lost
    chained = encoder.encode([(2, moved[2])], FrameReference(1))
    with pytest.raises(BitstreamError, match="refers to frame 1, which is unknown"):
        decoder.decode(chained.data)
    anchor = encoder.encode([(3, moved[3])], SourceReference(0))
    np.testing.assert_array_equal(decoder.decode(anchor.data)[0].keypoints, anchor.keypoints[0])


def test_indices_go_on_beyond_two_bytes() -> None:
    encoder, decoder = pair()
    for index in range(0, 70_000, 250):
        reference = FrameReference(index - 250) if index else SourceReference(0)
        packet = encoder.encode([(index, SOURCE)], reference)
        assert [frame.index for frame in decoder.decode(packet.data)] == [index]


def test_eight_frames_with_gaps_travel_in_one_packet() -> None:
    encoder, decoder = pair()
    moved = walk(8)
    indices = [3, 4, 6, 9, 20, 21, 100, 352]
    packet = encoder.encode(list(zip(indices, moved, strict=True)), SourceReference(0))
    frames = decoder.decode(packet.data)
    assert [frame.index for frame in frames] == indices
    assert np.abs([f.keypoints for f in frames] - moved).max() <= 0.7 * STEP / 16384 + 1e-4


def test_a_transform_codes_what_it_spans_and_leaves_the_rest_as_the_reference_has_it() -> None:
    tables = turned_tables(K, 5)
    encoder, decoder = pair(tables)
    rows = tables.matrix / 16384  # (5, 12)
    wanted = SOURCE.reshape(-1) + 0.1 * np.random.default_rng(2).normal(size=12)
    packet = encoder.encode([(0, wanted.reshape(K, 3).astype(np.float32))], SourceReference(0))
    moved = decoder.decode(packet.data)[0].keypoints.reshape(-1) - SOURCE.reshape(-1)
    spanned = rows @ (wanted - SOURCE.reshape(-1))
    np.testing.assert_allclose(rows @ moved, spanned, atol=0.7 * STEP / 16384 + 3e-4)
    np.testing.assert_allclose(moved, moved @ rows.T @ rows, atol=3e-4)


def test_the_lattice_is_exact_and_cut_to_the_ranges() -> None:
    wild = np.array([[-2.0, 2.0, -2.0], [0.25, -0.25, 0.5]], np.float32)
    assert to_lattice(wild).tolist() == [-16384, 16384, 0, 4096, -4096, 8192]
    every = np.arange(-16384, 16385)
    points = np.stack([every, every, np.abs(every)], axis=-1)
    np.testing.assert_array_equal(to_lattice(from_lattice(points)), points)
    assert to_lattice(np.array([[0.5 / 16384, 1.5 / 16384, 2.5 / 16384]])).tolist() == [0, 2, 2]


@pytest.mark.parametrize(
    ("frames", "reference", "coarseness", "said"),
    [
        ([], SourceReference(0), 2, "a packet contains at least one"),
        ([(5, SOURCE)] * 9, SourceReference(0), 2, "the limit is 1 to 8"),
        ([(5, SOURCE)], SourceReference(0), 8, "coarseness: 8 is not 0 to 7"),
        ([(5, SOURCE)], SourceReference(3), 2, "is not known"),
        ([(5, SOURCE)], SourceReference(4), 2, "source: 4 is not 0 to 3"),
        ([(5, SOURCE)], FrameReference(4), 2, "is not known"),
        ([(5, SOURCE)], FrameReference(5), 2, "is not 1 to 252 frames before 5"),
        ([(300, SOURCE)], FrameReference(2), 2, "is not 1 to 252 frames before 300"),
        ([(2, SOURCE)], SourceReference(0), 2, "2 is out of order after 2"),
        ([(7, SOURCE), (7, SOURCE)], SourceReference(0), 2, "frames before 7"),
    ],
)
def test_what_cannot_be_encoded_is_refused_and_changes_nothing(
    frames: list[tuple[int, np.ndarray]], reference: Reference, coarseness: int, said: str
) -> None:
    encoder, decoder = pair()
    decoder.decode(encoder.encode([(2, SOURCE)], SourceReference(0)).data)
    with pytest.raises(EncodingError, match=said):
        encoder.encode(frames, reference, coarseness)
    decoder.decode(encoder.encode([(3, SOURCE)], FrameReference(2)).data)


@pytest.mark.parametrize(
    "keypoints",
    [np.full((K, 3), np.nan), np.full((K, 3), np.inf), np.zeros((K + 1, 3)), np.zeros((K, 2))],
)
def test_keypoints_that_are_none_of_the_model_are_refused(keypoints: np.ndarray) -> None:
    for end in pair():
        with pytest.raises(ValueError, match=r"^keypoints: "):
            end.set_source(0, keypoints)


def test_no_packet_is_longer_than_a_datagram() -> None:
    keypoints, random = 256, np.random.default_rng(0)
    encoder, _ = pair(plain_tables(keypoints, step=1))
    wild = [
        (index, random.uniform([-1, -1, 0], 1, (keypoints, 3)).astype(np.float32))
        for index in range(8)
    ]
    with pytest.raises(EncodingError, match=f"the limit is {MAX_PACKET_BYTES}"):
        encoder.encode(wild, SourceReference(0), coarseness=0)


damage: list[Callable[[bytes, int], bytes]] = [
    lambda data, at: data[: at % len(data)],
    lambda data, at: data + bytes([at % 256]),
    lambda data, at: bytes(
        byte ^ 1 << at % 8 if place == at // 8 % len(data) else byte
        for place, byte in enumerate(data)
    ),
]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(damage), st.integers(0, 10_000))
def test_damaged_packets_decode_or_say_so_and_leave_the_decoder_as_it_was(
    seed: int, spoil: Callable[[bytes, int], bytes], at: int
) -> None:
    encoder, decoder = pair()
    moved = walk(6, seed)
    decoder.decode(encoder.encode([(0, moved[0])], SourceReference(0)).data)
    packet = encoder.encode(list(enumerate(moved[1:], start=1)), FrameReference(0))
    try:
        for frame in decoder.decode(spoil(packet.data, at)):
            assert frame.keypoints.shape == (K, 3)
            assert np.isfinite(frame.keypoints).all()
            assert (np.abs(frame.keypoints) <= 1).all()
    except BitstreamError:
        again = decoder.decode(packet.data)
        np.testing.assert_array_equal([one.keypoints for one in again], packet.keypoints)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    decoder = pair(turned_tables(2, 5))[1]
    try:
        frames = decoder.decode(data)
    except BitstreamError:
        return
    assert len(frames) == parse_header(data).frames


def test_what_was_left_out_on_purpose_is_told_from_what_was_lost() -> None:
    encoder, decoder = pair()
    moved = walk(4)
    decoder.decode(encoder.encode([(0, moved[0])], SourceReference(0)).data)
    packet = encoder.encode(
        [(5, moved[1]), (8, moved[2]), (9, moved[3])], FrameReference(0), skipped=[3, 2, 0]
    )
    found = [(frame.index, frame.skipped) for frame in decoder.decode(packet.data)]
    assert found == [(5, 3), (8, 2), (9, 0)]  # 1 was lost


def test_what_is_left_out_as_a_rule_takes_no_byte() -> None:
    encoder, _ = pair()
    encoder.encode([(0, SOURCE)], SourceReference(0))
    told = encoder.encode([(9, SOURCE)], FrameReference(0), skipped=[8])
    assert len(told.data) == 4
    assert told.data[0] >> 6 == 2


@pytest.mark.parametrize("skipped", [[5, 0], [0, 2], [-1, 0], [1]])
def test_more_cannot_be_left_out_than_there_is(skipped: list[int]) -> None:
    encoder, _ = pair()
    encoder.encode([(0, SOURCE)], SourceReference(0))
    with pytest.raises(EncodingError, match="skipped"):
        encoder.encode([(5, SOURCE), (7, SOURCE)], FrameReference(0), skipped=skipped)
