"""Checksums of models: a model is served only if it is what was exported.

<model>/SHA256SUMS    `<sha256>  <version>/model.onnx`, one line per version, and one for the
                      tables of the keypoint codec if it has them, `<sha256>  codec.json`

`sha256sum --check SHA256SUMS` reads this format in the model's folder. A model whose folder has no
such file is served unverified, and the log says so; in a folder that has one, a file that differs
from its checksum or has none is not served.

`python -m motioncast.local.checksums` writes and compares them.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from motioncast.codec.tables_file import FILE_NAME as CODEC_FILE
from motioncast.inference.repository import FILE_NAME as MODEL_FILE
from motioncast.wire.errors import InvalidInputError

FILE_NAME: Final = "SHA256SUMS"
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](\S+)")


def write_checksums(folder: Path) -> Path:
    """Writes the checksums of every version and of any codec tables in a model's folder.

    Returns the written file.
    """
    files = [*sorted(folder.glob(f"*/{MODEL_FILE}")), *folder.glob(CODEC_FILE)]
    lines = [f"{_sha256(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    manifest = folder / FILE_NAME
    manifest.write_text("".join(lines), encoding="ascii")
    return manifest


def verify(file: Path) -> bool:
    """Verifies like `verified_checksum`; returns False when the folder has no checksums."""
    return verified_checksum(file) != ""


def verified_checksum(file: Path) -> str:
    """Verifies a model's file against its checksum and returns it; "" when the folder has none.

    Args:
        file: `<model>/<version>/model.onnx` or `<model>/codec.json`.

    Raises:
        InvalidInputError: It differs, has no checksum, or the checksums cannot be read.
    """
    folder = file.parents[1] if file.name == MODEL_FILE else file.parent
    name = file.relative_to(folder).as_posix()
    try:
        text = (folder / FILE_NAME).read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError.of("repository", f"{folder / FILE_NAME}: {error}") from None
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    checksums = {line[2]: line[1] for line in found if line}
    if name not in checksums:
        raise InvalidInputError.of(
            "repository", f"{file} is not listed in its folder's {FILE_NAME}"
        )
    if _sha256(file) != checksums[name]:
        raise InvalidInputError.of(
            "repository", f"{file} has changed since its export: its checksum differs"
        )
    return checksums[name]


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
