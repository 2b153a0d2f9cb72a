"""Marks in the files that are written, and reading them back from any file.

A video is marked before it gets its final name, so an unmarked file never appears under that name.
The mark is stated three times: in a tag of the container ("comment", which every format has), in
XMP (MP4), and in a signed C2PA manifest (MP4, MOV, AVI), if c2pa-python is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import OutputContainer
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from motioncast.framing import Picture
from motioncast.media.errors import MediaError
from motioncast.media.names import File, existing, for_ffmpeg, shown
from motioncast.media.unfinished import unfinished_file
from motioncast.provenance import (
    Manifest,
    Mark,
    MarkError,
    append_xmp,
    can_sign,
    packet,
    read_manifest,
    sign_file,
    xmp_of,
)
from motioncast.provenance.manifest import FORMATS, MISSING
from motioncast.provenance.mark import source_type_in
from motioncast.provenance.xmp import C2PA_UUID, MAX_XMP_BYTES, PNG_KEYWORD, uuid_box

TAG: Final = "comment"  # kept by all of FFmpeg's containers
_HAS_XMP: Final = frozenset({".mp4", ".m4v"})
_ALGORITHMIC: Final = "algorithmicmedia"  # suffix of IPTC's names for model output, lower case


@dataclass(frozen=True, slots=True)
class Marks:
    """How a file says it was made; names of IPTC's digital source types, None if not stated.

    Attributes:
        tag: In the container's comment.
        xmp: In its XMP packet.
        manifest: In its C2PA manifest.
        unread: Why a manifest may exist that was not read; None if there is no doubt.
    """

    tag: str | None
    xmp: str | None
    manifest: Manifest | None
    unread: str | None = None

    @property
    def synthetic(self) -> bool:
        """Whether any of them says that it was made by a model, entirely or in part."""
        signed = None if self.manifest is None else self.manifest.source_type
        said = (self.tag, self.xmp, signed)
        return any(one is not None and one.lower().endswith(_ALGORITHMIC) for one in said)


def tag(container: OutputContainer, mark: Mark) -> None:
    """Writes the mark into the tags of a container that is about to be written."""
    container.metadata[TAG] = mark.sentence


def mark_file(part: Path, path: Path, mark: Mark) -> None:
    """Puts marks into a complete temporary file, and renames it.

    Args:
        part: The file, complete; removed afterwards.
        path: Its final name, in the same folder; replaced by one rename.
        mark: The mark.

    Raises:
        MediaError: It cannot be signed, or its format keeps no marks; `path` is then unchanged.
        OSError: A file cannot be written.
    """
    if part.suffix.lower() in _HAS_XMP:
        append_xmp(part, mark)
    if not can_sign(part.suffix):
        if mark.signer is not None and part.suffix.lower() in FORMATS:
            raise MediaError(f"{shown(path.name)}: {MISSING}")
        if part.suffix.lower() not in FORMATS and _tag_of(part) is None:
            raise MediaError(
                f"{shown(path.name)}: {part.suffix} files cannot be marked as synthetic; use .mp4"
            )
        part.replace(path)
        return
    with unfinished_file(path.parent, f".{path.stem}-", path.suffix) as signed, mark_errors(path):
        sign_file(part, signed, mark, path.name)
        signed.replace(path)


def write_png(path: File, picture: Picture, mark: Mark | None) -> None:
    """Writes a picture (H, W, 3) as PNG with marks, atomically.

    Raises:
        MediaError: The file cannot be written or signed.
    """
    path = Path(path)
    said = PngInfo()
    if mark is not None:
        said.add_itxt(PNG_KEYWORD, packet(mark))
        said.add_itxt("Comment", mark.sentence)
    try:
        with unfinished_file(path.parent, f".{path.stem}-", ".png") as part:
            Image.fromarray(np.ascontiguousarray(picture)).save(part, "PNG", pnginfo=said)
            if mark is None:
                part.replace(path)
            else:
                mark_file(part, path, mark)
    except OSError as error:
        raise MediaError(
            f"{shown(path.name)}: cannot be written: {error.strerror or error}"
        ) from error


def read_marks(path: File, anchors: Path | None = None) -> Marks:
    """Returns how a video or picture says it was made. Makes no network requests.

    Args:
        path: The file.
        anchors: PEM of authorities whose signatures are trusted; None: no authority.

    Raises:
        MediaError: The file does not exist, or its manifest cannot be read.
    """
    path = existing(path)
    with mark_errors(path):
        unread, manifest = None, None
        try:
            manifest = read_manifest(path, anchors)
        except MarkError as error:
            if MISSING not in str(error):
                raise
            unread = MISSING if uuid_box(path, C2PA_UUID) is not None else None
        tagged, xmp = _of_picture(path) or (_tag_of(path), xmp_of(path))
    return Marks(source_type_in(tagged or ""), source_type_in(xmp or ""), manifest, unread)


@contextmanager
def mark_errors(path: Path) -> Iterator[None]:
    """Converts errors of marking to one sentence that names the file."""
    try:
        yield
    except MarkError as error:
        raise MediaError(f"{shown(path.name)}: {error}") from error
    except OSError as error:
        raise MediaError(f"{shown(path.name)}: {error.strerror or error}") from error


def _of_picture(path: Path) -> tuple[str | None, str | None] | None:
    """Returns comment and XMP of a still; None if it is not a still."""
    if path.suffix.lower() != ".png":
        return None
    try:
        with Image.open(path, formats=["PNG"]) as image:
            found = image.info.get("Comment"), image.info.get(PNG_KEYWORD)
    except (OSError, ValueError, SyntaxError):
        return None
    return tuple(  # type: ignore[return-value]
        one[:MAX_XMP_BYTES] if isinstance(one, str) else None for one in found
    )


def _tag_of(path: Path) -> str | None:
    try:
        with av.open(for_ffmpeg(path)) as container:
            tags = {name.lower(): value for name, value in container.metadata.items()}
    except (av.FFmpegError, OSError, ValueError):
        return None
    return tags.get(TAG)
