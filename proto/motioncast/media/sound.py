"""The soundtrack of a video: decoded, resampled and cut so that both begin at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from motioncast.media.animation import is_picture
from motioncast.media.container import longest_hold, open_container
from motioncast.media.errors import MediaError
from motioncast.media.names import File, existing, shown

Samples: TypeAlias = NDArray[np.float32]  # (channels, samples), -1 to 1

_RATES: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # AAC's
_USUAL_RATE: Final = 48000
_JITTER: Final = 0.05  # seconds by which timestamps may be off before the sound is shifted
_FORMAT: Final = "fltp"


class Sound:
    """An open sound, created by `open_sound`.

    Attributes:
        rate: Samples per second.
        layout: "mono" or "stereo".
        problem: Why it is incomplete; None while it is not.
    """

    def __init__(self, path: Path, start: float) -> None:
        self._container = open_container(path)
        found = self._container.streams.best("audio")
        if not isinstance(found, AudioStream):
            self._container.close()
            raise LookupError("no sound")
        if found.codec_context is None or not found.rate or not found.channels:
            self._container.close()
            raise ValueError("no decoder")
        self._stream = found
        self.rate = found.rate if found.rate in _RATES else _USUAL_RATE
        self.layout = "mono" if found.channels == 1 else "stereo"
        self.problem: str | None = None
        self._start = start
        self._longest = longest_hold(self._container) * self.rate
        self._pieces = self._decoded()
        self._rest: Samples = np.zeros((1 if self.layout == "mono" else 2, 0), np.float32)

    def read(self, count: int) -> Samples:
        """Returns the next samples (channels, count); silence once the sound has ended."""
        parts, have = [self._rest], self._rest.shape[1]
        while have < count:
            piece = next(self._pieces, None)
            if piece is None:
                piece = np.zeros((self._rest.shape[0], count - have), np.float32)
            parts.append(piece)
            have += piece.shape[1]
        joined = np.concatenate(parts, axis=1)
        self._rest = joined[:, count:]
        return joined[:, :count]

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _decoded(self) -> Iterator[Samples]:
        """Yields gapless samples from the start on: gaps become silence, overlaps are cut."""
        position = 0  # samples yielded so far
        try:
            for moment, piece in self._resampled():
                if moment is not None:
                    place = round((moment - self._start) * self.rate)
                    if position and not -self.rate < place - position < self._longest:
                        self._start += (place - position) / self.rate  # the clock was reset
                        place = position
                    if place - position > _JITTER * self.rate or (position == 0 and place > 0):
                        for step in range(position, place, self.rate):  # a second at a time
                            silent = min(self.rate, place - step)
                            yield np.zeros((piece.shape[0], silent), np.float32)
                        position = place
                    elif position - place > _JITTER * self.rate or position == 0:
                        piece = piece[:, position - place :]
                if piece.shape[1]:
                    yield piece
                    position += piece.shape[1]
        except (av.FFmpegError, OSError, ValueError) as error:
            at = position / self.rate
            self.problem = f"damaged after {at:.1f} s ({type(error).__name__})"

    def _resampled(self) -> Iterator[tuple[float | None, Samples]]:
        resampler = av.AudioResampler(format=_FORMAT, layout=self.layout, rate=self.rate)
        for frame in self._container.decode(self._stream):
            for piece in resampler.resample(frame):
                yield _moment(piece), np.asarray(piece.to_ndarray(), np.float32)
        for piece in resampler.resample(None):
            yield None, np.asarray(piece.to_ndarray(), np.float32)


def open_sound(path: File, start: float = 0.0) -> Sound | None:
    """Opens the sound of a video from a time on; None if it has none.

    Args:
        path: The video.
        start: Time on the file's own clock (`Video.start`) at which it begins, in seconds.

    Raises:
        MediaError: The file does not exist, or its sound cannot be decoded.
    """
    path = existing(path)
    try:
        return None if is_picture(path) else Sound(path, start)
    except LookupError:
        return None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{shown(path.name)}: its sound cannot be decoded") from error


def _moment(piece: av.AudioFrame) -> float | None:
    if piece.pts is None or piece.time_base is None:
        return None
    return float(piece.pts * piece.time_base)
