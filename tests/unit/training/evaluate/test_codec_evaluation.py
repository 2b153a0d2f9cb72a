"""What the codec's evaluation counts."""

import numpy as np
import pytest
from support.codec_tables import plain_tables

from motioncast.evaluate.codec import measure


def test_who_stands_still_costs_headers_alone() -> None:
    clip = np.full((11, 3, 3), 0.25, np.float32)
    alone = measure(plain_tables(3), [clip], "frame before")
    five = measure(plain_tables(3), [clip], "frame before, 5 in a packet")

    assert (alone.clips, alone.frames, alone.error_pixels) == (1, 10, 0.0)
    assert alone.headers_kbits - alone.payload_kbits == pytest.approx(4 * 8 * 25 / 1000)
    assert five.headers_kbits - five.payload_kbits == pytest.approx(4 * 8 * 25 / 1000 / 5)
    assert alone.payload_kbits * 1000 / 25 < alone.information_bits + 8  # whole bytes


def test_the_error_is_the_distance_to_what_was_found() -> None:
    tables = plain_tables(3, step=1638)  # a tenth of half a side, twice as much as is moved
    clip = np.zeros((2, 3, 3), np.float32)
    clip[1, :, 0] = 0.03  # too little for a step
    assert measure(tables, [clip], "source").error_pixels == pytest.approx(0.03 * 127.5, abs=0.01)


def test_no_clip_of_two_frames_has_nothing_to_send() -> None:
    with pytest.raises(ValueError, match="none has two frames"):
        measure(plain_tables(3), [np.zeros((1, 3, 3), np.float32)], "source")
