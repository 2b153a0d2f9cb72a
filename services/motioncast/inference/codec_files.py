"""The codec tables beside a keypoint model: `codec.json` in its folder, under its checksums."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from motioncast.codec.tables_file import FILE_NAME, MAX_TRAVELLING_BYTES
from motioncast.inference.checksums import verify
from motioncast.wire.errors import InvalidInputError

PARAMETER: Final = "codec_tables"  # of a model's configuration, where a server tells of them

_log = logging.getLogger(__name__)


def read_codec_file(folder: Path) -> bytes:
    """Returns the file of codec tables in a model's folder.

    A model runs as well without: where there is none, or one that is damaged or too large, it is
    empty, and the log says why.
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
        _log.error("%s: keypoints are not coded: %s", file, error)
        return b""
    return data
