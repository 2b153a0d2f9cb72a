"""Counting what a message holds before it is parsed.

On the wire an empty message takes two bytes, in memory a hundred; a number takes one, in memory
eight. So the fields are counted on the bytes first, down to those of messages within messages:

    message = (tag, value)*    tag = number << 3 | kind    value of kind 2 = length, bytes

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor

from motioncast.wire.errors import ExhaustedError

MAX_FIELDS: Final = 4096  # of one message, those within others counted too
MAX_NUMBER_BYTES: Final = 1024 * 1024  # of one message, in lists of numbers of variable length

_FIXED_SIZES: Final = {1: 8, 5: 4}  # bytes, by kind
_VARIABLE: Final = frozenset(
    {
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_SINT32,
        FieldDescriptor.TYPE_SINT64,
        FieldDescriptor.TYPE_BOOL,
        FieldDescriptor.TYPE_ENUM,
    }
)
_NUMBERS: Final = "numbers"  # what a field holds that is a list of those

Fields = Mapping[int, Any]  # what fields hold: a message's fields, or _NUMBERS; others have none


def request_fields(service: str, method: str) -> Fields | None:
    """Returns the fields of a method's request; None when its contract is not known here."""
    try:
        found = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(method)
    except KeyError:
        return None
    return None if found is None else _fields_of(found.input_type)


def check_elements(data: bytes, fields: Fields) -> None:
    """Raises ExhaustedError when a message holds more than it may.

    Stops at the first thing too many, and where the bytes are no message: whoever parses them says
    so. Takes about a microsecond for a field, whatever its length.

    Args:
        data: The message.
        fields: Of its type, see `request_fields`.
    """
    count = numbers = 0
    outer: list[tuple[int, Fields]] = []  # where the messages around this one end, innermost last
    place, end = 0, len(data)
    while True:
        while place >= end:
            if not outer:
                return
            end, fields = outer.pop()
        tag, place = _varint(data, place, end)
        count += 1
        if count > MAX_FIELDS:
            raise ExhaustedError(
                f"message: holds more than the limit of {MAX_FIELDS} elements", field="message"
            )
        kind = tag & 7
        if kind == 2:
            length, place = _varint(data, place, end)
            holds = fields.get(tag >> 3)
            if place + length > end:
                return
            if holds is None or isinstance(holds, str):
                numbers += length if holds else 0
                place += length
            else:
                outer.append((end, fields))
                end, fields = place + length, holds
            if numbers > MAX_NUMBER_BYTES:
                raise ExhaustedError(
                    f"message: lists of numbers exceed the limit of {MAX_NUMBER_BYTES} bytes",
                    field="message",
                )
        elif kind == 0:
            _, place = _varint(data, place, end)
        else:
            place += _FIXED_SIZES.get(kind, 0)  # 3 and 4, the ends of a group, have no value


def _varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    """Returns a number of variable length and where it ends; a torn one ends everything."""
    value = shift = 0
    while place < end and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    return 0, len(data)


@cache
def _fields_of(message: Any) -> Fields:
    """Returns the fields of a type of messages that hold more than one value; may hold itself."""
    fields: dict[int, Any] = {}
    known = {message.full_name: fields}
    waiting = [message]
    while waiting:
        for field in (one := waiting.pop()).fields:
            if field.message_type is not None:
                name = field.message_type.full_name
                if name not in known:
                    known[name] = {}
                    waiting.append(field.message_type)
                known[one.full_name][field.number] = known[name]
            elif field.type in _VARIABLE:
                known[one.full_name][field.number] = _NUMBERS
    return fields
