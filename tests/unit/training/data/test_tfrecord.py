"""TFRecord files: checksums, damage, and the examples in them."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tfrecords import crc32c, example, framed, masked, write_records
from tensorboard.summary.writer.record_writer import RecordWriter

from motioncast.data.tfrecord import Record, byte_features, masked_crc, read_records
from motioncast.data.video_folder import DamagedVideoError

THREE = (b"first", b"", b"the third record")
OFFSETS = (0, 21, 37, 69)  # 16 bytes around each, and the end of the file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.tfrecords"


@pytest.mark.parametrize(
    ("data", "crc"),  # RFC 3720, B.4, and the polynomial's check value
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_checksums_are_castagnolis_masked_as_tfrecord_masks_them(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc
    assert masked_crc(data).to_bytes(4, "little") == masked(crc)


def test_records_are_read_with_their_places(path: Path) -> None:
    write_records(path, THREE)

    records = list(read_records(path))

    assert [record.data for record in records] == list(THREE)
    assert [record.index for record in records] == [0, 1, 2]
    assert tuple(record.offset for record in records) == OFFSETS[:3]


def test_records_that_tensorboard_wrote_are_read(path: Path) -> None:
    with path.open("wb") as file:
        writer = RecordWriter(file)
        for data in THREE:
            writer.write(data)
        writer.flush()

        assert [record.data for record in read_records(path)] == list(THREE)


def test_a_file_without_records_has_none(path: Path) -> None:
    write_records(path, [])

    assert list(read_records(path)) == []


@given(position=st.integers(0, OFFSETS[3] - 1), flipped=st.integers(1, 255))
def test_whichever_byte_is_flipped_its_record_is_named(
    tmp_path_factory: pytest.TempPathFactory, position: int, flipped: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.tfrecords"
    content = bytearray(b"".join(framed(data) for data in THREE))
    content[position] ^= flipped
    path.write_bytes(content)
    damaged = sum(offset <= position for offset in OFFSETS) - 1

    read, message = read_until_damage(path)

    assert read == list(THREE[:damaged])
    assert message.startswith(f"{path}: record {damaged} at byte {OFFSETS[damaged]}: ")


@given(length=st.integers(1, OFFSETS[3] - 1).filter(lambda length: length not in OFFSETS))
def test_wherever_a_file_is_cut_off_its_last_record_is_named(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.tfrecords"
    path.write_bytes(b"".join(framed(data) for data in THREE)[:length])
    damaged = sum(offset <= length for offset in OFFSETS) - 1

    read, message = read_until_damage(path)

    assert read == list(THREE[:damaged])
    assert f"record {damaged} at byte {OFFSETS[damaged]}: the file ends inside" in message


def test_a_length_longer_than_the_file_takes_no_memory(path: Path) -> None:
    length = (2**62).to_bytes(8, "little")
    path.write_bytes(length + masked(crc32c(length)) + b"short")

    assert "the file ends inside the 4611686018427387904 bytes" in read_until_damage(path)[1]


def test_a_compressed_file_is_refused_with_what_to_do(path: Path) -> None:
    path.write_bytes(gzip.compress(framed(b"record")))

    assert "run gunzip" in read_until_damage(path)[1]


def test_an_example_gives_its_bytes_by_name() -> None:
    data = example({"a": [b"one", b"two"], "numbers": [0.5, 1.5], "empty": []})

    features = byte_features(record(data))

    assert features == {"a": [b"one", b"two"], "numbers": [], "empty": []}


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x7fshort", example({"a": [b"b"]})[:-1]])
def test_what_is_no_example_is_named(data: bytes) -> None:
    with pytest.raises(
        DamagedVideoError, match=r"a\.tfrecords: record 3 at byte 99: is not a tf\.train"
    ):
        byte_features(record(data))


def record(data: bytes) -> Record:
    return Record(Path("a.tfrecords"), 3, 99, data)


def read_until_damage(path: Path) -> tuple[list[bytes], str]:
    read = []
    with pytest.raises(DamagedVideoError) as damage:  # noqa: PT012 - also tests earlier reads
        for found in read_records(path):
            read.append(found.data)
    return read, str(damage.value)
