"""The `parameters` in a model's config.pbtxt: names with a text each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_CONFIG: Final = "config.pbtxt"

_log = logging.getLogger(__name__)


def read_parameters(repository: Path, model: str) -> dict[str, str]:
    """Returns the parameters in a model's folder.

    They are optional, and the model runs without them: the result is empty if config.pbtxt is
    missing or cannot be read; the latter is logged.
    """
    # Imported late: models without parameters do not need tritonclient.
    try:
        text = (repository / model / _CONFIG).read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        _log.error("%s/%s cannot be read: %s", model, _CONFIG, error)
        return {}
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    try:
        return texts(text_format.Parse(text, ModelConfig()).parameters)
    except text_format.ParseError as error:
        _log.error("%s/%s does not describe a model: %s", model, _CONFIG, error)
        return {}


def texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Returns the `parameters` of a ModelConfig."""
    return {name: value.string_value for name, value in parameters.items()}
