"""KServe's and Triton's names for numpy's element types."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from tritonclient.grpc import model_config_pb2

_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
_NAMES: Final = {dtype: name for name, dtype in _DTYPES.items()}


def dtype_of(datatype: str) -> np.dtype[Any] | None:
    """Returns numpy's type for "FP32"; None for types that arrays cannot have (BYTES, BF16)."""
    return _DTYPES.get(datatype)


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Returns "FP32" for float32."""
    return _NAMES[dtype]


def config_type_of(dtype: np.dtype[Any]) -> int:
    """Returns the number of a type in a ModelConfig: TYPE_FP32 for float32."""
    number: int = model_config_pb2.DataType.Value(f"TYPE_{_NAMES[dtype]}")
    return number
