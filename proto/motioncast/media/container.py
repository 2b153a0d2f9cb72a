"""Opens a container and selects its video track: never cover art, never a playlist."""

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

BROADCAST: Final = frozenset({"mpeg", "mpegts"})  # may begin, end and be spliced anywhere
BROADCAST_HOLD: Final = 10.0  # seconds

_PICTURES: Final = Disposition.attached_pic | Disposition.timed_thumbnails
_IMPAIRED: Final = Disposition.hearing_impaired | Disposition.visual_impaired
_ONLY_THIS: Final = {"protocol_whitelist": "file"}
_NO_MEDIA: Final = frozenset({"concat", "dash", "hls", "lavfi", "sdp", "tty"})
_PROBED: Final = 250  # packets of a track that are read to determine its rate
_ROUNDS: Final = 20  # times as many packets of all tracks, at most


@dataclass(frozen=True, slots=True)
class Track:
    """The video track of a file."""

    index: int  # among the container's streams
    rate: Fraction  # frames per second of the session


def open_container(path: Path) -> InputContainer:
    """Opens a file for reading; its tags may use any encoding, and no other file is opened.

    Raises:
        av.FFmpegError, OSError, ValueError: The file cannot be read.
    """
    container = av.open(
        for_ffmpeg(path), metadata_errors="replace", container_options={**_ONLY_THIS}
    )
    if _NO_MEDIA.intersection(container.format.name.split(",")):
        container.close()
        raise ValueError(f"a {container.format.name} file contains no pictures itself")
    return container


def longest_hold(container: InputContainer) -> float:
    """Returns the gap between timestamps, in seconds, beyond which the clock was reset."""
    return BROADCAST_HOLD if container.format.name in BROADCAST else LONGEST_HOLD


def find_video(path: Path, container: InputContainer) -> Track:
    """Returns the track to show, and the frame rate to show it at.

    A track with several frames is preferred to one with a single frame, then the default track,
    then the largest. This reads from the container, which has to be reopened afterwards.

    Raises:
        MediaError: There is no video track, or its rate is not stated.
    """
    found = [track for track in container.streams.video if track.codec_context is not None]
    tracks = [track for track in found if not track.disposition & _PICTURES]
    if not tracks:
        raise MediaError(named(f"{shown(path.name)}: contains no video", path))
    times = _times(container, tracks)
    best = max(tracks, key=lambda track: _rank(track, len(times[track.index])))
    # FFmpeg's guess comes first: it takes fields and repeated frames into account.
    declared = [best.guessed_rate, best.base_rate, best.average_rate]
    rate = session_rate([time for time in times[best.index] if time is not None], declared)
    if rate is None:
        raise MediaError(f"{shown(path.name)}: does not state its frame rate")
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
        pass  # damage is reported where the frames are decoded
    return times
