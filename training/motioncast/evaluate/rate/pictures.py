"""Shows what a rate looks like: frames of a clip from ours and each video codec at equal bit rates.

A row is the original, ours with every frame sent, or a codec at the setting whose rate on the
wire in a ten-second call is nearest to ours. Codecs that cannot go as low as twice our rate are
shown nevertheless; the label gives their rate. A column is a frame at which the mouth moves most.

Shapes: T frames, S pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.contact_sheet import BACKGROUND, TEXT, label_font, telling_frames
from motioncast.evaluate.original import Original
from motioncast.evaluate.quality_results import whole_file
from motioncast.evaluate.rate.measuring import Point
from motioncast.evaluate.rate.stream import Stream

OURS: Final = ("every frame", "coarseness 2")
COLUMNS: Final = 5
LABEL_PIXELS, GAP_PIXELS, TEXT_PIXELS = 150, 4, 16
JPEG_QUALITY: Final = 88


class _Shown(NamedTuple):
    point: Point
    frames: Frames  # (COLUMNS, S, S, 3)


@dataclass
class RatePictures:
    """Collects the frames of one clip's streams, and draws those that are comparable."""

    name: str
    clip: Frames  # (T, S, S, 3)
    _shown: list[_Shown] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chosen = telling_frames(Original(self.name, self.clip), COLUMNS)

    def add(self, stream: Stream, point: Point) -> None:
        """Keeps a few frames of a stream and its figures."""
        self._shown.append(_Shown(point, stream.frames[self._chosen].copy()))

    def write(self, folder: Path, codecs: Sequence[str]) -> None:
        """Writes a JPEG, atomically."""
        ours = [one for one in self._shown if (one.point.method, one.point.setting) == OURS]
        rows = [("original", self.clip[self._chosen]), _row("motioncast", ours[0])]
        for method in codecs:
            curve = [one for one in self._shown if one.point.method == method]
            rows.append(_row(method, min(curve, key=lambda one: _apart(one.point, ours[0].point))))
        path = folder / f"{Path(self.name).stem}.jpg"
        with whole_file(path) as unfinished:
            self._page(rows).save(unfinished, format="JPEG", quality=JPEG_QUALITY)

    def _page(self, rows: Sequence[tuple[str, Frames]]) -> Image.Image:
        side = self.clip.shape[1] + GAP_PIXELS
        width = LABEL_PIXELS + side * len(self._chosen)
        page = Image.new("RGB", (width, TEXT_PIXELS + side * len(rows)), BACKGROUND)
        draw = ImageDraw.Draw(page)
        for column, index in enumerate(self._chosen):
            middle = LABEL_PIXELS + side * (column + 0.5)
            draw.text((middle, TEXT_PIXELS / 2), f"frame {index}", TEXT, label_font(), anchor="mm")
        for row, (label, frames) in enumerate(rows):
            top = TEXT_PIXELS + side * row
            draw.multiline_text((6, top + side / 2), label, TEXT, label_font(), anchor="lm")
            for column, image in enumerate(frames):
                page.paste(Image.fromarray(image), (LABEL_PIXELS + side * column, top))
        return page


def _row(name: str, shown: _Shown) -> tuple[str, Frames]:
    point = shown.point
    lines = [
        *name.split(", "),
        f"{point.wire_10_s_kbits:.1f} kbit/s",
        f"({point.payload_kbits:.1f} without headers",
        "and first picture)",
        f"{point.psnr_db:.1f} dB",
    ]
    return "\n".join(lines), shown.frames


def _apart(point: Point, ours: Point) -> float:
    """Returns how far a rate is from ours, as the log of their ratio."""
    return abs(float(np.log(point.wire_10_s_kbits / ours.wire_10_s_kbits)))
