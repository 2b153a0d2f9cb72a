"""A video that was framed when it was sent: cuts the originals, and puts the results back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from motioncast.cli.cast import Cast, CastFrame, Images
from motioncast.cli.marking import mark
from motioncast.cli.soundtrack import Soundtrack
from motioncast.cli.spool import Spool
from motioncast.client import Crop, Pixels
from motioncast.client.video import write_video
from motioncast.framing import centre_square, cut, put_back
from motioncast.provenance import SourceType


def cut_originals(
    pictures: Images,
    results: Images,
    cast: Cast,
    originals: Spool,
    full: Path | None,
    sound: Soundtrack,
    on_frame: Callable[[], object],
) -> None:
    """Cuts the part that each frame shows out of its picture, for comparison with the result.

    Args:
        pictures: The video's full pictures.
        results: The result frames, equally many.
        cast: The rest of the results.
        originals: Receives the cut pictures.
        full: A video to write, of the pictures with the results put back; None for none.
        sound: The soundtrack of that video.
        on_frame: Called after each frame.
    """
    with ExitStack() as stack:
        writer = None
        if full is not None:
            heard = stack.enter_context(sound.opened())
            partly = mark(SourceType.COMPOSITE, cast.config.model)
            writer = stack.enter_context(
                write_video(full, cast.config.frame_rate, sound=heard, mark=partly)
            )
        for frame in cast.frames:
            picture = pictures[frame.index]
            originals.append(original_of(picture, frame, cast.config.height))
            if writer is not None:
                crop = _crop(picture, frame)
                writer.write(put_back(picture, results[frame.index], crop))
            on_frame()


def original_of(picture: Pixels, frame: CastFrame, size: int) -> Pixels:
    """Returns the part of a picture that a frame shows, (size, size, 3).

    A picture that was not framed is returned unchanged.
    """
    if frame.crop is None and picture.shape[:2] == (size, size):
        return picture
    return cut(picture, _crop(picture, frame), size)


def _crop(picture: Pixels, frame: CastFrame) -> Crop:
    return frame.crop or centre_square(picture.shape[1], picture.shape[0])
