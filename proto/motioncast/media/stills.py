"""Photographs and drawings in files: everything that Pillow reads, and HEIC and AVIF by FFmpeg.

    file -> header -> reduced during decoding, if it is large -> eight bits a colour
         -> on one background -> upright -> centre square, or the whole picture

Decoders' errors become one sentence; damage outside the picture itself does not matter.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import PIL.Image
from PIL import JpegImagePlugin

from motioncast.framing import MAX_PIXELS, MAX_SIDE, Picture
from motioncast.media import heif
from motioncast.media.colour import composited
from motioncast.media.errors import MediaError
from motioncast.media.fallbacks import bare_png, why_no_tiff
from motioncast.media.grey import BANDS, DEEP, Grey, bands
from motioncast.media.names import File, existing, shown
from motioncast.media.orientation import UPRIGHT, Orientation, of_exif
from motioncast.media.png_colours import colours_of_png
from motioncast.media.primaries import Colours
from motioncast.media.profiles import Profile
from motioncast.media.scaling import bounded_size, centre_square, scaled
from motioncast.media.tone import tone_mapped
from motioncast.media.unread import named

MAX_STILL_PIXELS: Final = 2**28  # of a file; more than a phone's 200 megapixels
LARGE: Final = 3 * 2**23  # pixels above which a picture is reduced during decoding
SPARE: Final = 2  # pixels that this leaves along a side for each pixel of the square
_ORIENTATION: Final = 0x0112
_HDR: Final = "motioncast_hdr"  # key in `info`: the number of one of H.273's curves
_RUNS_A_PROGRAM: Final = frozenset({"EPS"})  # Ghostscript
_PILLOW: Final = threading.Lock()  # because warnings are muted for the whole process


def read_image(path: File, size: int | None, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Returns an image's centre square, scaled to (size, size, 3) uint8 RGB.

    Args:
        path: A file in any format that Pillow reads, HEIC or AVIF. Its orientation is respected,
            grey of any depth is scaled by its meaning, transparency is shown on white
            (`colour.BACKGROUND`), colours are converted to sRGB by an ICC profile. Of an
            animation the first frame is read.
        size: Height and width in pixels; None for the full picture, to be framed.
        max_pixels: A full picture with more pixels is scaled down.

    Raises:
        MediaError: The file is missing, cannot be read as an image, or has more than
            MAX_STILL_PIXELS.
    """
    path = existing(path)
    with still_errors(path), path.open("rb") as file:
        if heif.is_heif(file, moving=True):
            width, height = heif.size(path)
            picture = heif.picture(path, _factor(width, height, size, max_pixels))
        else:
            picture = _pillow(file, size, max_pixels)
        if size is not None:
            return centre_square(picture, size)
        return scaled(picture, bounded_size(picture.shape[1], picture.shape[0], max_pixels))


def read_whole_image(path: File) -> Picture:
    """Returns an image, (H, W, 3), as `read_image` does but neither cropped nor scaled.

    Raises:
        MediaError: The file is missing, cannot be read as an image, or has more than
            MAX_STILL_PIXELS.
    """
    path = existing(path)
    with still_errors(path), path.open("rb") as file:
        if heif.is_heif(file, moving=True):
            return heif.picture(path)
        image = opened(file)
        _factor(*image.size, None, image.width * image.height)
        _load(image)
        return _orientation(image).upright(rgb(image))


@contextmanager
def still_errors(path: Path) -> Iterator[None]:
    """Converts any error of a decoder to one sentence, and suppresses its warnings."""
    try:
        with _PILLOW, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MediaError as error:
        name = shown(path.name)
        if str(error).startswith(name):
            raise
        raise MediaError(f"{name}: {error}") from error
    except Exception as error:  # decoders raise struct.error, TypeError, MemoryError ...
        cut = isinstance(error, OSError) and "truncated" in str(error)  # Pillow's own wording
        problem = "truncated" if cut else named("not a readable image", path)
        raise MediaError(f"{shown(path.name)}: {problem}") from error


def opened(file: BinaryIO) -> PIL.Image.Image:
    """Returns Pillow's image of a file, whatever its size; raises an error if it cannot open it.

    Image.open would warn at 90 megapixels and refuse 180, before they could be reduced.
    """
    PIL.Image.init()
    head = file.read(16)
    colours = colours_of_png(file)
    for name in PIL.Image.ID:
        factory, accepts = PIL.Image.OPEN[name]
        if name in _RUNS_A_PROGRAM or (accepts is not None and accepts(head) is not True):
            continue
        for make in (factory, JpegImagePlugin.JpegImageFile) if name == "JPEG" else (factory,):
            file.seek(0)
            try:
                return _meant(make(file, ""), colours)
            except Exception:  # another format; or damage outside a JPEG's picture
                continue
    if (image := bare_png(file)) is not None:
        return _meant(image, colours)
    if (reason := why_no_tiff(file)) is not None:
        raise MediaError(reason)
    raise ValueError("unknown format")


def _meant(image: PIL.Image.Image, colours: Colours | int | None) -> PIL.Image.Image:
    """Returns an image with the profile, or the number of the HDR curve, for its values."""
    if colours is None:
        return image
    image.info.pop("icc_profile", None)
    if isinstance(colours, int):
        image.info[_HDR] = colours
    elif (profile := colours.profile(grey=image.mode == "L")) is not None:
        image.info["icc_profile"] = profile
    return image


def rgb(image: PIL.Image.Image, factor: int = 1) -> Picture:
    """Returns a decoded image as (H, W, 3), with each `factor` x `factor` pixels averaged."""
    grey = Grey(image) if image.mode in DEEP else None
    profile, hdr = Profile.of(image), image.info.get(_HDR)
    small = image.width * image.height <= LARGE
    rows = image.height if small else max(BANDS // factor, 1) * factor
    parts = []
    for band in bands(image, rows):
        if grey is not None:
            part = np.repeat(grey.eight_bits(band)[..., None], 3, axis=2)
        elif band.has_transparency_data:
            seen = band.convert("RGBA")
            opacity = np.asarray(seen)[..., 3:]
            part = _toned(np.asarray(profile.rgb(seen)), hdr)
            part = composited(np.concatenate([part, opacity], axis=2))
        else:
            part = _toned(np.array(profile.rgb(band)), hdr)
        if factor > 1:
            part = np.asarray(PIL.Image.fromarray(part).reduce(factor))
        parts.append(part)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _toned(part: Picture, transfer: int | None) -> Picture:
    return part if transfer is None else tone_mapped(part.astype(np.uint16) * 257, transfer)


def _pillow(file: BinaryIO, size: int | None, max_pixels: int) -> Picture:
    image = opened(file)
    factor = _factor(*image.size, size, max_pixels)
    if factor > 1:
        stored = prod(image.size)
        image.draft(image.mode, (image.width // factor, image.height // factor))  # JPEG only
        factor = max(1, round(factor * (prod(image.size) / stored) ** 0.5))
    _load(image)
    return _orientation(image).upright(rgb(image, factor))


def _load(image: PIL.Image.Image) -> None:
    """Decodes a picture; hides the messages that libtiff itself writes to standard error."""
    if image.format != "TIFF":
        image.load()
        return
    sys.stderr.flush()
    with open(os.devnull, "wb") as nowhere:
        shown = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            image.load()
        finally:
            os.dup2(shown, 2)
            os.close(shown)


def _factor(width: int, height: int, size: int | None, max_pixels: int) -> int:
    """Returns by how much a large picture may be reduced and still exceed the required size."""
    pixels = width * height
    if pixels > MAX_STILL_PIXELS:
        raise MediaError(f"{width} x {height} pixels exceed the limit of {MAX_STILL_PIXELS}")
    if pixels <= LARGE:
        return 1
    if size is not None:
        return max(1, min(width, height) // (SPARE * size))
    return max(1, int(max(max(width, height) / MAX_SIDE, (pixels / max_pixels) ** 0.5)))


def _orientation(image: PIL.Image.Image) -> Orientation:
    try:
        return of_exif(image.getexif().get(_ORIENTATION))
    except Exception:  # damaged Exif: use the picture as stored
        return UPRIGHT
