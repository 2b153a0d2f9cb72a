"""Contact sheets: a clip's original and output side by side at the frames of most mouth motion.

Each column is a frame, the first being the source. The rows are original, output and four times
their difference (mean of the colours), then for both the area that moves most and the one above it,
enlarged threefold: a speaker's mouth and eyes.

Shapes: T frames, S pixels.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.original import Original
from motioncast.evaluate.quality_results import whole_file
from motioncast.quality.boxes import Box, eyes_box, motion_in

FRAMES = 5
ENLARGED = 3
DIFFERENCE_GAIN = 4
SHADES = (64, 48, 32, 24, 16)  # per colour: the largest that keeps the file below the limit is used
LIMIT_BYTES = 300_000  # so that pages with several sheets load quickly
LABEL_PIXELS, HEADER_PIXELS, GAP_PIXELS = 86, 22, 4
BACKGROUND, TEXT = (255, 255, 255), (40, 40, 40)


class _Row(NamedTuple):
    label: str
    source: Frames | None  # (H, W, 3)
    frames: Sequence[Frames]  # (H, W, 3) each


def telling_frames(original: Original, count: int = FRAMES) -> list[int]:
    """Returns the frames, in order, at which the mouth's box changes most, spread over the clip.

    They are at least T / 2 count frames apart, so that one word does not fill the sheet.
    """
    motion = motion_in(original.mouth, original.frames)
    apart = max(1, len(motion) // (2 * count))
    chosen: list[int] = []
    for frame in np.argsort(-motion, kind="stable").tolist():
        if frame > 0 and all(abs(frame - other) >= apart for other in chosen):
            chosen.append(frame)
    return sorted(chosen[:count])


def contact_sheet(original: Original, output: Frames, frames: Sequence[int]) -> Image.Image:
    """Draws frames of a clip next to the output (T, S, S, 3)."""
    rows = list(_rows(original, output, frames))
    size = original.clip.shape[1]
    heights = [row.frames[0].shape[0] for row in rows]
    columns = [LABEL_PIXELS + column * (size + GAP_PIXELS) for column in range(len(frames) + 1)]
    page = Image.new(
        "RGB",
        (columns[-1] + size + GAP_PIXELS, HEADER_PIXELS + sum(heights) + GAP_PIXELS * len(rows)),
        BACKGROUND,
    )
    draw = ImageDraw.Draw(page)
    titles = ["source", *(f"frame {frame}" for frame in frames)]
    for left, title in zip(columns, titles, strict=True):
        draw.text((left + size / 2, HEADER_PIXELS / 2), title, TEXT, label_font(), anchor="mm")
    top = HEADER_PIXELS
    for row, height in zip(rows, heights, strict=True):
        draw.multiline_text((6, top + height / 2), row.label, TEXT, label_font(), anchor="lm")
        for left, image in zip(columns, (row.source, *row.frames), strict=True):
            if image is not None:
                page.paste(Image.fromarray(image), (left, top))
        top += height + GAP_PIXELS
    return page


def write_contact_sheet(
    path: Path, original: Original, output: Frames, count: int = FRAMES
) -> None:
    """Writes a contact sheet of the telling frames as PNG, atomically."""
    sheet = contact_sheet(original, output, telling_frames(original, count))
    with whole_file(path) as unfinished:
        unfinished.write_bytes(as_small_png(sheet))


def as_small_png(image: Image.Image) -> bytes:
    """Encodes an image with as many shades as fit the limit, but at least 16 of each colour.

    With 64, the usual number, colours are off by two levels: invisible, and a third smaller.
    """
    encoded = b""
    for shades in SHADES:
        encoded = _as_png(image, shades)
        if len(encoded) < LIMIT_BYTES:
            break
    return encoded


def _rows(original: Original, output: Frames, frames: Sequence[int]) -> Iterator[_Row]:
    source = original.clip[0]
    true, made = list(original.clip[list(frames)]), list(output[list(frames)])
    louder = [_difference(*pair) for pair in zip(true, made, strict=True)]
    yield _Row("original", source, true)
    yield _Row("output", None, made)
    yield _Row(f"difference\nx {DIFFERENCE_GAIN}", None, louder)
    places = {"where most\nmoves": original.mouth, "above that": eyes_box(original.mouth)}
    for name, box in places.items():
        yield _Row(f"{name},\noriginal", _zoom(source, box), [_zoom(each, box) for each in true])
        yield _Row(f"{name},\noutput", None, [_zoom(each, box) for each in made])


def _difference(image: Frames, other: Frames) -> Frames:
    mean = np.abs(image.astype(np.int16) - other).mean(axis=-1, keepdims=True)
    grey: Frames = (mean * DIFFERENCE_GAIN).clip(max=255).astype(np.uint8).repeat(3, axis=-1)
    return grey


def _zoom(image: Frames, box: Box) -> Frames:
    part = image[box.top : box.bottom, box.left : box.right]
    return part.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def _as_png(image: Image.Image, shades: int) -> bytes:
    steps = np.round(np.asarray(image) / 255 * (shades - 1))
    coarse = np.round(steps * 255 / (shades - 1)).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(coarse).save(file, format="PNG", optimize=True)
    return file.getvalue()


@cache
def label_font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Returns the font of labels, which comes with Pillow."""
    return ImageFont.load_default(13)
