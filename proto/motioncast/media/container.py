"""Opening a container, and which of its tracks is the video: never a cover, never a playlist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from motioncast.media.clock import LONGEST_HOLD, session_rate
from motioncast.media.errors import MediaError
from motioncast.media.names import for_ffmpeg, shown
from motioncast.media.unread import named

BROADCAST: Final = frozenset({"mpeg", "mpegts"})  # may begin, end and be joined anywhere
BROADCAST_HOLD: Final = 10.0  # seconds

_PICTURES: Final = Disposition.attached_pic | Disposition.timed_thumbnails
_IMPAIRED: Final = Disposition.hearing_impaired | Disposition.visual_impaired
_ONLY_THIS: Final = {"protocol_whitelist": "file"}
_NO_MEDIA: Final = frozenset({"concat", "dash", "hls", "lavfi", "sdp", "tty"})
_PROBED: Final = 250  # packets of a track that tell its rate
_ROUNDS: Final = 20  # as many packets of all tracks, at most


@dataclass(frozen=True, slots=True)
class Track:
    """The video of a file."""

    index: int  # among the streams of the container
    rate: Fraction  # frames per second of the session


def open_container(path: Path) -> InputContainer:
    """Opens a file for reading; its tags may be of any encoding, and it opens no other file.

    Raises:
        av.FFmpegError, OSError, ValueError: It cannot be read.
    """
    container = av.open(
        for_ffmpeg(path), metadata_errors="replace", container_options={**_ONLY_THIS}
    )
    if _NO_MEDIA.intersection(container.format.name.split(",")):
        container.close()
        raise ValueError(f"a {container.format.name} file holds no pictures of its own")
    return container


def longest_hold(container: InputContainer) -> float:
    """Returns the gap between timestamps, in seconds, beyond which the clock was set anew."""
    return BROADCAST_HOLD if container.format.name in BROADCAST else LONGEST_HOLD


def find_video(path: Path, container: InputContainer) -> Track:
    """Returns the track to show, and the rate that its frames are shown at.

    A track of one frame gives way to one that moves, then the default one goes first, then the
    largest. The container is read on for that, and has to be opened anew.

    Raises:
        MediaError: There is none, or it does not tell its rate.
    """
    found = [track for track in container.streams.video if track.codec_context is not None]
    tracks = [track for track in found if not track.disposition & _PICTURES]
    if not tracks:
        raise MediaError(named(f"{shown(path.name)}: holds no video", path))
    times = _times(container, tracks)
    best = max(tracks, key=lambda track: _rank(track, len(times[track.index])))
    # FFmpeg's guess comes first: it knows of fields and of repeated frames.
    declared = [best.guessed_rate, best.base_rate, best.average_rate]
    rate = session_rate([time for time in times[best.index] if time is not None], declared)
    if rate is None:
        raise MediaError(f"{shown(path.name)}: does not tell its frame rate")
    return Track(best.index, rate)


def _rank(track: VideoStream, packets: int) -> tuple[bool, bool, bool, int, int]:
    return (
        packets > 1,
        bool(track.disposition & Disposition.default),
        not track.disposition & _IMPAIRED,
        (track.width or 0) * (track.height or 0),
        -track.index,
    )


def _times(
    container: InputContainer, tracks: Sequence[VideoStream]
) -> dict[int, list[float | None]]:
    """Returns when the first frames of each track are shown, in seconds."""
    times: dict[int, list[float | None]] = defaultdict(list)
    try:
        for count, packet in enumerate(container.demux(tuple(tracks))):
            if packet.size == 0:
                continue
            seen = times[packet.stream.index]
            known = packet.pts is not None and packet.time_base is not None
            seen.append(float(packet.pts * packet.time_base) if known else None)  # type: ignore[operator]
            if len(seen) >= _PROBED or count >= _PROBED * _ROUNDS:
                break
    except (av.FFmpegError, ValueError):
        pass  # damage is said where the frames are decoded
    return times
