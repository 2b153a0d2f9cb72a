"""Codec tables as messages, verified by their SHA-256 when they come from another machine."""

from __future__ import annotations

from motioncast.codec import TablesError
from motioncast.codec.tables_file import ModelTables
from motioncast.v1.common_pb2 import CodecTables
from motioncast.wire.errors import InvalidInputError, OutOfOrderError


def encode_tables(model: str, codec: ModelTables | None) -> CodecTables:
    """Returns the tables of a model as a message; OutOfOrderError if it has none."""
    if codec is None:
        raise OutOfOrderError(
            f"model: {model} has no codec tables, so its keypoints are sent as floats",
            field="model",
        )
    return CodecTables(sha256=codec.digest, data=codec.data)


def decode_tables(message: CodecTables, digest: str, keypoints: int) -> ModelTables:
    """Returns the tables of a message.

    Args:
        message: The message received.
        digest: The SHA-256 that the model is said to have.
        keypoints: K, the model's number of keypoints.

    Raises:
        InvalidInputError: The tables are different ones, or invalid.
    """
    try:
        codec = ModelTables.of(message.data)
    except TablesError as error:
        raise InvalidInputError.of("tables", str(error)) from error
    if codec.digest != digest:
        raise InvalidInputError.of(
            "tables", f"their SHA-256 is {codec.digest}, but the model has {digest}"
        )
    if codec.tables.keypoints != keypoints:
        raise InvalidInputError.of(
            "tables", f"they have {codec.tables.keypoints} keypoints, but the model has {keypoints}"
        )
    return codec
