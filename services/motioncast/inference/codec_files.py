"""A keypoint model's codec tables: `codec.json` in its folder, covered by its checksums."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from motioncast.codec.tables_file import FILE_NAME, MAX_TRAVELLING_BYTES
from motioncast.inference.checksums import verify
from motioncast.wire.errors import InvalidInputError

PARAMETER: Final = "codec_tables"  # parameter in a model's configuration that announces them

_log = logging.getLogger(__name__)


def read_codec_file(folder: Path) -> bytes:
    """Returns the contents of a model's codec tables file.

    A model also runs without: if the file is missing, damaged or too large, the result is empty;
    damaged and oversized files are logged.
    """
    file = folder / FILE_NAME
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_TRAVELLING_BYTES + 1)
        if len(data) > MAX_TRAVELLING_BYTES:
            raise InvalidInputError.of("repository", f"more than {MAX_TRAVELLING_BYTES} bytes")
        verify(file)
    except FileNotFoundError:
        return b""
    except (OSError, InvalidInputError) as error:
        _log.error("%s: keypoint coding is disabled: %s", file, error)
        return b""
    return data
