"""TFRecord files, read without TensorFlow: every record between two masked CRC32C checks.

    uint64 length | uint32 masked crc of length | data | uint32 masked crc of data
    masked crc = rotate_right(crc, 15) + 0xa282ead8 (mod 2^32), all numbers little-endian

A record of video frames is a tf.train.Example: a map from feature names to lists of byte strings
(or of numbers, which are not read).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from motioncast.data.video_folder import DamagedVideoError

MASK_DELTA: Final = 0xA282EAD8
GZIP_MAGIC: Final = b"\x1f\x8b"
HEADER: Final = struct.Struct("<QI")
FOOTER: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file, and its position."""

    path: Path
    index: int  # in the file, from 0
    offset: int  # of its first byte in the file
    data: bytes

    def damaged(self, what: str) -> DamagedVideoError:
        """Returns the error that names this record."""
        return damaged_record(self.path, self.index, self.offset, what)


def read_records(path: Path) -> Iterator[Record]:
    """Yields the records of a file one by one, both checksums verified.

    Raises DamagedVideoError, with the record and its byte offset, when the file ends within a
    record or a checksum is wrong. After a wrong length no later record can be found, so a reader
    cannot continue.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        index = 0
        while (offset := file.tell()) < size:
            try:
                data = _read_record(file, size - offset)
            except ValueError as error:
                raise damaged_record(path, index, offset, str(error)) from error
            yield Record(path, index, offset, data)
            index += 1


def byte_features(record: Record) -> dict[str, list[bytes]]:
    """Parses a tf.train.Example into name -> byte strings; features of numbers are empty.

    Raises DamagedVideoError when the record is not an Example.
    """
    example: Any = _EXAMPLE()
    try:
        example.ParseFromString(record.data)
    except DecodeError as error:
        raise record.damaged(f"is not a tf.train.Example ({error})") from error
    entries = example.features.feature
    return {entry.key: list(entry.value.bytes_list.value) for entry in entries}


def masked_crc(data: bytes) -> int:
    """Returns the CRC32C of `data` as TFRecord stores it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def damaged_record(path: Path, index: int, offset: int, what: str) -> DamagedVideoError:
    """Returns the error that names a record by file, index and byte offset."""
    return DamagedVideoError(f"{path}: record {index} at byte {offset}: {what}")


def _read_record(file: BinaryIO, available: int) -> bytes:
    """Reads one record; raises ValueError that says what is wrong with it."""
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        raise ValueError("the file ends inside the length")
    length, length_crc = HEADER.unpack(header)
    if masked_crc(header[:8]) != length_crc:
        if file.tell() == HEADER.size and header.startswith(GZIP_MAGIC):
            raise ValueError(
                "GZIP-compressed TFRecords are not supported; run gunzip on them first"
            )
        raise ValueError("wrong checksum of the length")
    if length > available - HEADER.size - FOOTER.size:  # before allocating memory for it
        raise ValueError(f"the file ends inside the {length} bytes of data")
    data = file.read(length)
    (data_crc,) = FOOTER.unpack(file.read(FOOTER.size))
    if masked_crc(data) != data_crc:
        raise ValueError("wrong checksum of the data")
    return data


def _example_class() -> type[Message]:
    """Builds the message tf.train.Example, with its map as the repeated entry used on the wire."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="motioncast/tf_example.proto", package="motioncast.data", syntax="proto3"
    )

    def message(name: str, **fields: tuple[int, int, str]) -> None:
        described = file.message_type.add(name=name)
        for field_name, (number, label, kind) in fields.items():
            added = described.field.add(name=field_name, number=number)
            added.label = label  # type: ignore[assignment]
            added.json_name = field_name
            if kind in ("bytes", "string"):
                added.type = field.TYPE_BYTES if kind == "bytes" else field.TYPE_STRING
            else:
                added.type = field.TYPE_MESSAGE
                added.type_name = f".motioncast.data.{kind}"

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    message("BytesList", value=(1, many, "bytes"))
    message("Feature", bytes_list=(1, one, "BytesList"))
    message("Entry", key=(1, one, "string"), value=(2, one, "Feature"))
    message("Features", feature=(1, many, "Entry"))
    message("Example", features=(1, one, "Features"))
    pool = descriptor_pool.DescriptorPool()  # separate: TensorFlow may be installed as well
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("motioncast.data.Example"))


_EXAMPLE = _example_class()
