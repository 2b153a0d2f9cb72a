"""A message's elements are counted from its bytes, without parsing it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.serving import elements
from motioncast.serving.elements import MAX_FIELDS, MAX_NUMBER_BYTES, Fields, check_elements
from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.keypoint_pb2 import DetectRequest
from motioncast.v1.predictor_pb2 import ObservedFrame, PredictRequest
from motioncast.v1.synthesis_pb2 import SynthesizeRequest
from motioncast.wire.errors import ExhaustedError

EMPTY_IMAGE = b"\x12\x00"  # field 2 of DetectRequest, 0 bytes long
TOO_MANY = "message: holds more than the limit of 4096 elements"


def fields(service: str, method: str) -> Fields:
    found = elements.request_fields(f"motioncast.v1.{service}", method)
    assert found is not None
    return found


DETECT = fields("KeypointService", "Detect")
PREDICT = fields("PredictorService", "Predict")
SYNTHESIZE = fields("SynthesisService", "Synthesize")


def fields_of(message: Any) -> int:
    """Returns a message's number of fields on the wire by walking the parsed message."""
    count = 0
    for field, value in message.ListFields():
        if field.message_type is not None:
            values = value if field.is_repeated else [value]
            count += len(values) + sum(map(fields_of, values))
        elif field.is_repeated and field.type not in (field.TYPE_STRING, field.TYPE_BYTES):
            count += 1  # packed
        else:
            count += len(value) if field.is_repeated else 1
    return count


def test_as_many_elements_as_the_limit_pass_and_not_one_more() -> None:
    check_elements(EMPTY_IMAGE * MAX_FIELDS, DETECT)
    with pytest.raises(ExhaustedError, match=TOO_MANY):
        check_elements(EMPTY_IMAGE * (MAX_FIELDS + 1), DETECT)


def test_elements_of_messages_within_messages_are_counted() -> None:
    # An image with 4095 heights, of which the last counts.
    heights = b"\x10\x01" * (MAX_FIELDS - 1)
    length = bytes([0x80 | len(heights) & 0x7F, len(heights) >> 7])
    check_elements(b"\x12" + length + heights, DETECT)
    with pytest.raises(ExhaustedError, match=TOO_MANY):
        check_elements(b"\x12" + length + heights + b"\x0a\x00", DETECT)


def test_fields_that_nobody_knows_are_counted_too() -> None:
    with pytest.raises(ExhaustedError, match=TOO_MANY):
        check_elements(b"\x7a\x00" * (MAX_FIELDS + 1), DETECT)
    with pytest.raises(ExhaustedError, match=TOO_MANY):
        check_elements(b"\x7b\x7c" * MAX_FIELDS, DETECT)  # groups, each with a start and an end tag


def test_numbers_that_are_not_packed_are_elements() -> None:
    message = b"\x0d\x00\x00\x00\x00" * (MAX_FIELDS + 1)  # x of a KeypointSet, not packed
    assert len(KeypointSet.FromString(message).x) == MAX_FIELDS + 1
    with pytest.raises(ExhaustedError, match=TOO_MANY):
        check_elements(message, {})


def test_lists_of_short_numbers_are_bounded_by_their_bytes() -> None:
    def positions(count: int) -> bytes:  # each takes one byte on the wire and four in memory
        return SynthesizeRequest(source_positions=bytes(count)).SerializeToString()

    check_elements(positions(MAX_NUMBER_BYTES), SYNTHESIZE)
    with pytest.raises(ExhaustedError, match="lists of numbers exceed the limit of 1048576 bytes"):
        check_elements(positions(MAX_NUMBER_BYTES + 1), SYNTHESIZE)


def test_the_largest_requests_of_the_contract_pass() -> None:
    points = KeypointSet(x=[0.5] * 80, y=[0.5] * 80, intensity=[0.5] * 80)
    observed = [ObservedFrame(index=t, keypoints=points) for t in range(1, 257)]
    check_elements(PredictRequest(observed=observed).SerializeToString(), PREDICT)
    images = [Image(encoding=1, height=256, width=256, data=bytes(10))] * 64  # type: ignore[arg-type]
    check_elements(DetectRequest(model="m", images=images).SerializeToString(), DETECT)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_end_it_quietly(data: bytes) -> None:
    check_elements(data, PREDICT)


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 9), st.integers(0, 300))),
    st.integers(0, 2**32 - 1),
)
def test_the_count_is_that_of_the_parsed_message(
    frames: list[tuple[int, int, int]], horizon: int
) -> None:
    request = PredictRequest(
        model="m" * (horizon % 3),
        observed=[
            ObservedFrame(index=index, keypoints=KeypointSet(x=[0.5] * x, y=[0.25] * y))
            for index, x, y in frames
        ],
        horizon=horizon,
    )
    count = fields_of(request)
    data = request.SerializeToString()
    padding = b"\x7a\x00" * (MAX_FIELDS - count)  # a field PredictRequest does not have
    check_elements(data + padding, PREDICT)
    check_elements(padding + data, PREDICT)
    with pytest.raises(ExhaustedError, match=TOO_MANY):
        check_elements(padding + data + b"\x7a\x00", PREDICT)


def test_a_method_that_nobody_declared_has_no_fields() -> None:
    assert elements.request_fields("motioncast.v1.KeypointService", "Dance") is None
    assert elements.request_fields("nobody.Service", "Detect") is None
