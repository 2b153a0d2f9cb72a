"""TFRecords for tests, written from the specification without a library."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]

CASTAGNOLI = 0x82F63B78  # the polynomial, bit-reversed


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (CASTAGNOLI if byte & 1 else 0)
    return byte


REMAINDERS = [_remainder(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ REMAINDERS[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> bytes:
    rotated = int(f"{crc:032b}"[-15:] + f"{crc:032b}"[:-15], 2)
    return struct.pack("<I", (rotated + 0xA282EAD8) % 2**32)


def framed(data: bytes) -> bytes:
    """Returns one record as stored in a file."""
    length = struct.pack("<Q", len(data))
    return length + masked(crc32c(length)) + data + masked(crc32c(data))


def write_records(path: Path, records: Sequence[bytes]) -> None:
    path.write_bytes(b"".join(framed(record) for record in records))


def example(features: Mapping[str, Sequence[bytes] | Sequence[float]]) -> bytes:
    """Returns a serialised tf.train.Example; numbers become a packed float_list."""
    entries = b""
    for name, values in features.items():
        if all(isinstance(value, bytes) for value in values):
            listed = b"".join(_field(1, value) for value in values if isinstance(value, bytes))
            feature = _field(1, listed)
        else:
            feature = _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)))
        entries += _field(1, _field(1, name.encode()) + _field(2, feature))
    return _field(1, entries)


def robot_frames(seed: int) -> Frames:
    """Returns thirty frames (30, 64, 64, 3) of noise."""
    return np.random.default_rng(seed).integers(0, 256, (30, 64, 64, 3), dtype=np.uint8)


def robot_features(
    main: Frames, aux1: Frames | None = None
) -> dict[str, Sequence[bytes] | Sequence[float]]:
    """Returns the features of a BAIR record; `aux1` may be omitted to keep files small."""
    features: dict[str, Sequence[bytes] | Sequence[float]] = {}
    for index in range(len(main)):
        features[f"{index}/image_main/encoded"] = [main[index].tobytes()]
        if aux1 is not None:
            features[f"{index}/image_aux1/encoded"] = [aux1[index].tobytes()]
        features[f"{index}/action"] = [0.1, -0.2, 0.3, 0.0]
        features[f"{index}/endeffector_pos"] = [0.5, 0.25, 0.125]
    return features


def _field(number: int, data: bytes) -> bytes:
    """Returns a length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    coded = b""
    while value > 0x7F:
        coded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return coded + bytes([value])
