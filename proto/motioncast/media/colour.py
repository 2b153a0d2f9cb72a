"""Converts decoded frames to RGB: with the right matrix and range, no transparency, no HDR.

    Y'CbCr -> R'G'B'     by the frame's matrix and range: BT.601, BT.709, BT.2020
    transparency         composited on BACKGROUND
    HLG and PQ           tone-mapped to what a BT.709 video of the scene would contain (`tone`)

A frame without a stated matrix uses BT.709 for high definition and BT.601 below, as players do.
The primaries of a video that is not HDR are not converted.
"""

from __future__ import annotations

from typing import Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

from motioncast.framing import Picture
from motioncast.media.errors import MediaError
from motioncast.media.tone import TRANSFERS, tone_mapped

BACKGROUND: Final = (255, 255, 255)  # shown behind transparent parts

# ISO/IEC 23091-2 (H.273), table 4: the number of the matrix -> its name in FFmpeg's scaler.
_MATRICES: Final = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
_NOT_SAID: Final = {0, 2, 3}
_HIGH_DEFINITION: Final = (1280, 577)  # width or height from which BT.709 is assumed
# All four pixels of a square share its chroma, and the matrix is rounded once.
_EXACT: Final = Interpolation.POINT | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def rgb(frame: av.VideoFrame) -> Picture:
    """Returns a decoded frame as (H, W, 3) uint8 RGB.

    Raises:
        MediaError: Its colours are of an unknown kind; the message is the problem alone,
            without the file.
    """
    if any(component.is_alpha for component in frame.format.components) or frame.format.has_palette:
        return composited(_converted(frame, "rgba"))
    if frame.color_trc in TRANSFERS:
        return tone_mapped(_converted(frame, "rgb48le"), frame.color_trc)
    return _converted(frame, "rgb24")


def composited(picture: NDArray[np.uint8]) -> Picture:
    """Returns a picture (H, W, 4), RGB and opacity, on BACKGROUND: hidden colours disappear."""
    opacity = picture[..., 3:].astype(np.uint16)
    shown = picture[..., :3] * opacity + np.array(BACKGROUND, np.uint16) * (255 - opacity)
    return ((shown + 127) // 255).astype(np.uint8)


def _converted(frame: av.VideoFrame, pixels: str) -> NDArray[np.uint8]:
    if frame.format.is_rgb or frame.format.has_palette:
        return np.asarray(frame.to_ndarray(format=pixels))
    matrix = _matrix(frame)
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    converted = _of_whole_squares(frame).reformat(
        format=pixels,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=_EXACT,
    )
    array: NDArray[np.uint8] = np.asarray(converted.to_ndarray())  # uint16 for rgb48le
    array = array[: frame.height, : frame.width]
    if len(frame.format.components) == 1 and frame.color_range == ColorRange.MPEG:
        return _expanded(array)  # pure grey is always treated as full range
    return array


def _of_whole_squares(frame: av.VideoFrame) -> av.VideoFrame:
    """Returns a frame with padding at the right and bottom, so that no chroma sample is cut.

    With 7 pixels and 4 samples FFmpeg's scaler uses 1.75 pixels per sample; it should be 2.
    """
    across = 16 // (frame.format.chroma_width(16) or 16)
    down = 16 // (frame.format.chroma_height(16) or 16)
    width, height = -(-frame.width // across) * across, -(-frame.height // down) * down
    if (width, height) == (frame.width, frame.height):
        return frame
    larger = av.VideoFrame(width, height, frame.format.name)
    for plane, room in zip(frame.planes, larger.planes, strict=True):
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, abs(plane.line_size))
        rows = rows[: plane.height]
        roomy = np.zeros((room.buffer_size // abs(room.line_size), abs(room.line_size)), np.uint8)
        size = min(rows.shape[1], roomy.shape[1])
        roomy[: len(rows), :size] = rows[:, :size]
        room.update(roomy.tobytes())
    return larger


def _expanded(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns grey of 16 to 235 as 0 to 255, or the equivalent with 16 bits."""
    top = np.iinfo(picture.dtype).max
    share = (picture / top * 255 - 16) / 219
    return np.asarray(np.rint(np.clip(share, 0, 1) * top), picture.dtype)


def _matrix(frame: av.VideoFrame) -> Colorspace:
    if frame.colorspace in _NOT_SAID:
        width, height = _HIGH_DEFINITION
        high = frame.width >= width or frame.height >= height
        return Colorspace.ITU709 if high else Colorspace.ITU601
    if frame.colorspace not in _MATRICES:
        raise MediaError(f"its colours (matrix {frame.colorspace} of H.273) cannot be converted")
    return _MATRICES[frame.colorspace]
