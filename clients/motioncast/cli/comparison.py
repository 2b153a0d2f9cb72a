"""Original, result and keypoints side by side; the colour of a frame's border tells its origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from motioncast.cli.colours import ORIGIN_COLOURS, Colour
from motioncast.cli.drawing import draw_keypoints
from motioncast.client import Origin

PANEL_PIXELS: Final = 256  # smaller frames are enlarged by an integer factor to about this height
TRAIL_FRAMES: Final = 8
_BORDER: Final = 6
_GAP: Final = 14
_HEADER: Final = 34
_FOOTER: Final = 34
_BACKGROUND: Final[Colour] = (18, 20, 24)
_TEXT: Final[Colour] = (236, 238, 240)
_FAINT: Final[Colour] = (150, 156, 164)

_LEGEND: Final = {
    Origin.OBSERVED: "observed: sent",
    Origin.PREDICTED: "predicted: not sent, forecast",
    Origin.CONCEALED: "concealed: lost, forecast",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame of the timeline with everything that is shown for it."""

    index: int
    origin: Origin
    original: NDArray[np.uint8]  # (H, W, 3)
    result: NDArray[np.uint8]  # (H, W, 3)
    trail: tuple[NDArray[np.float32], ...]  # (K, 3) each, oldest first, at least this frame's


def compose_frame(
    sample: Sample, *, original_title: str = "original", note: str = ""
) -> NDArray[np.uint8]:
    """Returns one frame of comparison.mp4: original | result | keypoints, with titles and legend.

    Args:
        sample: The frame.
        original_title: Title of the first panel; in transfer mode this is the driving video.
        note: Text at the right of the last line, for example the pattern.
    """
    original, result, keypoints = panels(sample)
    height, width, _ = original.shape
    page = Image.new("RGB", _page_size(width, height), _BACKGROUND)
    draw = ImageDraw.Draw(page)
    colour = ORIGIN_COLOURS[sample.origin]
    titles = (original_title, "result", "keypoints")
    states = (
        "sent" if sample.origin is Origin.OBSERVED else "not sent",
        sample.origin.value,
        f"frame {sample.index}",
    )
    for column, (panel, title, state) in enumerate(
        zip((original, result, keypoints), titles, states, strict=True)
    ):
        left = _GAP + column * (width + 2 * _BORDER + _GAP)
        if column:
            frame = (
                left,
                _HEADER,
                left + width + 2 * _BORDER - 1,
                _HEADER + height + 2 * _BORDER - 1,
            )
            draw.rectangle(frame, fill=colour)
        page.paste(Image.fromarray(panel), (left + _BORDER, _HEADER + _BORDER))
        draw.text((left + _BORDER, 9), title, _TEXT, _font(15))
        right = left + _BORDER + width
        draw.text((right, 11), state, colour if column == 1 else _FAINT, _font(13), anchor="ra")
    _draw_legend(draw, y=page.height - 23, note=note, right=page.width - _GAP - _BORDER)
    return np.asarray(page)


def compose_strip(
    samples: Sequence[Sample], *, original_title: str = "original"
) -> NDArray[np.uint8]:
    """Returns a still picture: a column per frame, original over result over keypoints."""
    columns = [_column(sample) for sample in samples]
    height, width, _ = columns[0].shape
    labels = 92
    page = Image.new(
        "RGB",
        (labels + len(columns) * (width + _GAP), _HEADER + height + _FOOTER),
        _BACKGROUND,
    )
    draw = ImageDraw.Draw(page)
    for number, (sample, column) in enumerate(zip(samples, columns, strict=True)):
        left = labels + number * (width + _GAP)
        page.paste(Image.fromarray(column), (left, _HEADER))
        text = f"frame {sample.index}"
        draw.text((left + width / 2, 10), text, _TEXT, _font(14), anchor="ma")
    for row, title in enumerate((original_title, "result", "keypoints")):
        draw.text((14, _HEADER + height * (2 * row + 1) / 6), title, _TEXT, _font(15), anchor="lm")
    _draw_legend(draw, y=page.height - 24, note="", right=page.width - _GAP, left=labels)
    return np.asarray(page)


def panels(
    sample: Sample,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns original, result and keypoints, each enlarged to a comfortable size."""
    result = enlarge(sample.result)
    return enlarge(sample.original), result, draw_keypoints(result, sample.trail)


def enlarge(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns the image (H, W, 3) enlarged by the integer factor that brings it near 256 rows."""
    factor = max(1, PANEL_PIXELS // image.shape[0])
    if factor == 1:
        return image
    height, width = image.shape[0] * factor, image.shape[1] * factor
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _column(sample: Sample) -> NDArray[np.uint8]:
    rows = [
        _bordered(panel, colour)
        for panel, colour in zip(
            panels(sample), (_BACKGROUND, *[ORIGIN_COLOURS[sample.origin]] * 2), strict=True
        )
    ]
    return np.concatenate(rows)


def _bordered(panel: NDArray[np.uint8], colour: Colour) -> NDArray[np.uint8]:
    height, width, _ = panel.shape
    framed = np.empty((height + 2 * _BORDER, width + 2 * _BORDER, 3), np.uint8)
    framed[:] = colour
    framed[_BORDER:-_BORDER, _BORDER:-_BORDER] = panel
    return framed


def _draw_legend(
    draw: ImageDraw.ImageDraw, *, y: float, note: str, right: float, left: float = _GAP + _BORDER
) -> None:
    for origin, text in _LEGEND.items():
        draw.rectangle((left, y + 2, left + 11, y + 13), fill=ORIGIN_COLOURS[origin])
        draw.text((left + 18, y), text, _FAINT, _font(13))
        left += 18 + draw.textlength(text, _font(13)) + 22
    draw.text((right, y), note, _FAINT, _font(13), anchor="ra")


def _page_size(width: int, height: int) -> tuple[int, int]:
    # Even numbers: H.264 with 4:2:0 chroma halves both dimensions.
    total = 3 * (width + 2 * _BORDER) + 4 * _GAP
    return total + total % 2, (_HEADER + height + 2 * _BORDER + _FOOTER + 1) // 2 * 2


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
