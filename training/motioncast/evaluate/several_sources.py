"""Measures the gain from several sources: a clip from its first frame, and from up to four frames.

    one        the first frame is the source of every frame
    gathered   further sources from the clip's past only, chosen as the services choose
    refreshed  further sources when synthesised pictures turn out poor, chosen in the same way
    hindsight  the gathered ones; for each frame the available one that gives the best result
    spread     the same number of frames from the whole clip, as far apart as possible and known
               from the start; chosen as the services choose

`gathered` and `refreshed` are available to a live sender; the last two are oracles: upper bounds
for better choices and better sources. Every keypoint is sent. Frames that are a source in any way
are left out of all of them, so that a source which reproduces itself does not count.

Shapes: T frames, N sources, S pixels, K keypoints (x, y, intensity).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from motioncast.evaluate.original import FrameFigures, Original
from motioncast.evaluate.pipelines import Pipeline, sent_keypoints
from motioncast.quality.pixels import planes
from motioncast.sending.refreshing import Refreshing, RefreshSettings
from motioncast.sources import Choice, ChoiceSettings, Gathering, GatherSettings, choose, costs
from motioncast.wire.images import AVIF, encode_image
from motioncast.wire.keypoints import Keypoints

WAYS = ("one", "gathered", "refreshed", "hindsight", "spread")
_RATE = 25  # frames per second, for rates


@dataclass(frozen=True, slots=True)
class ClipSources:
    """Means over the frames of one clip that are not a source in any way."""

    networks: str
    sources: str  # one of WAYS
    clip: str
    frames: int
    images: float  # sent as sources
    source_bytes: float  # their total size as AVIF
    source_kbit_s: float  # the same as a rate over the clip, at 25 frames a second
    changes: float  # of the source, per 100 frames
    psnr_db: float
    mouth_psnr_db: float
    ssim: float
    gain_db: float  # over the first frame alone
    mouth_gain_db: float
    ssim_gain: float


@dataclass(frozen=True, slots=True)
class SeveralSources:
    """Means over clips, each with the same weight."""

    networks: str
    sources: str
    clips: int
    images: float
    source_bytes: float
    source_kbit_s: float
    changes: float
    psnr_db: float
    mouth_psnr_db: float
    ssim: float
    gain_db: float
    mouth_gain_db: float
    ssim_gain: float


class Way(NamedTuple):
    """The sources, and which of them each frame is synthesised from."""

    places: list[int]  # (N,) frames of the clip that are sources
    chosen: list[int]  # (T,) positions among them


def compare_sources(
    pipeline: Pipeline,
    original: Original,
    gathering: GatherSettings,
    choice: ChoiceSettings,
    refreshing: RefreshSettings | None = None,
) -> list[ClipSources]:
    """Measures one clip in all of WAYS, in their order."""
    keypoints = sent_keypoints(pipeline, original.clip)
    points = keypoints.numpy()
    weights = pipeline.source_weights
    gathered = gather(points, weights, gathering, choice)
    far = far_apart(points, weights, gathering.sources)
    ways = {
        "one": Way([0], [0] * len(points)),
        "gathered": gathered,
        "spread": Way(far, choose(dict(enumerate(points[far])), points, None, weights, choice)[0]),
    }
    made: dict[int, FrameFigures] = {}
    sizes: dict[int, int] = {}

    def figures(place: int) -> FrameFigures:
        if place not in made:
            made[place] = _figures(pipeline, original, keypoints, place)
            sizes[place] = len(encode_image(original.clip[place], AVIF).data)
        return made[place]

    ways["refreshed"] = refresh(
        points, lambda place: (figures(place).psnr_db, sizes[place]), weights, refreshing, choice
    )
    for way in ways.values():
        for place in way.places:
            figures(place)
    ways["hindsight"] = in_hindsight(gathered.places, [made[one] for one in gathered.places])
    judged = [t for t in range(len(points)) if t not in made]
    if not judged:
        raise ValueError(f"data: every frame of {original.name} became a source")
    alone = _of(ways["one"], made, judged)
    rows = []
    for name in WAYS:
        way = ways[name]
        found = _of(way, made, judged)
        gains = [float((ours - theirs).mean()) for ours, theirs in zip(found, alone, strict=True)]
        rows.append(
            ClipSources(
                networks=pipeline.name,
                sources=name,
                clip=original.name,
                frames=len(judged),
                images=len(way.places),
                source_bytes=sum(sizes[place] for place in way.places),
                source_kbit_s=sum(sizes[place] for place in way.places)
                * 8
                * _RATE
                / len(points)
                / 1000,
                changes=100 * float(np.mean(np.diff(way.chosen) != 0)),
                psnr_db=float(found.psnr_db.mean()),
                mouth_psnr_db=float(found.mouth_psnr_db.mean()),
                ssim=float(found.ssim.mean()),
                gain_db=gains[0],
                ssim_gain=gains[1],
                mouth_gain_db=gains[2],
            )
        )
    return rows


def gather(
    keypoints: Keypoints,
    weights: Sequence[float],
    settings: GatherSettings,
    choice: ChoiceSettings,
) -> Way:
    """Gathers sources from a clip's keypoints (T, K, 3) as it proceeds, and chooses among them."""
    gathering = Gathering(weights, settings)
    places: list[int] = []
    chosen: list[int] = []
    state: Choice | None = None
    for t, of_frame in enumerate(keypoints):
        if gathering.see(t, of_frame) is not None:
            places.append(t)
        sources = dict(enumerate(gathering.sources))
        now, state = choose(sources, of_frame[np.newaxis], state, weights, choice)
        chosen += now
    return Way(places, chosen)


def refresh(
    keypoints: Keypoints,
    made_from: Callable[[int], tuple[NDArray[np.float64], int]],
    weights: Sequence[float],
    settings: RefreshSettings | None,
    choice: ChoiceSettings,
) -> Way:
    """Sends further sources of a clip (T, K, 3) according to `motioncast.sending.refreshing`.

    Args:
        keypoints: Of the clip.
        made_from: Returns, for a frame as source, the PSNR of every frame (T,), and its bytes.
        weights: Of the keypoints.
        settings: When a frame becomes a source.
        choice: How a source is chosen.
    """
    refreshing = Refreshing(settings)
    places, chosen, at = [0], [], {0: 0}  # at: position of each source among the places
    state: Choice | None = None
    for t, of_frame in enumerate(keypoints):
        sources = {index: keypoints[places[position]] for index, position in at.items()}
        (now,), state = choose(sources, of_frame[np.newaxis], state, weights, choice)
        chosen.append(at[now])
        if not refreshing.due(t):
            continue
        becomes = refreshing.see(t, float(made_from(places[at[now]])[0][t]), now)
        if becomes is not None:
            at[becomes] = len(places)
            places.append(t)
            refreshing.sent(made_from(t)[1])
    return Way(places, chosen)


def far_apart(keypoints: Keypoints, weights: Sequence[float], count: int) -> list[int]:
    """Returns up to `count` frames, each the one worst covered by those before; the first is 0.

    (Gonzalez, Theoretical Computer Science 38, 1985.)
    """
    places = [0]
    while len(places) < min(count, len(keypoints)):
        prices = costs(keypoints[places], keypoints, weights).min(axis=1)
        places.append(int(prices.argmax()))
    return list(dict.fromkeys(places))


def in_hindsight(places: Sequence[int], made: Sequence[FrameFigures]) -> Way:
    """Chooses for each frame, among the sources available by then, the one with the best PSNR."""
    psnr = np.stack([one.psnr_db for one in made])  # (N, T)
    known = np.array(places)[:, None] <= np.arange(psnr.shape[1])
    best: list[int] = np.where(known, psnr, -np.inf).argmax(axis=0).tolist()
    return Way(list(places), best)


def summaries(clips: Sequence[ClipSources]) -> list[SeveralSources]:
    """Returns the means over the clips of all networks, in the order of WAYS."""
    rows = []
    for networks, sources in dict.fromkeys((clip.networks, clip.sources) for clip in clips):
        of = [clip for clip in clips if (clip.networks, clip.sources) == (networks, sources)]
        mean = {
            field.name: float(np.mean([getattr(clip, field.name) for clip in of]))
            for field in fields(ClipSources)
            if field.type is float
        }
        rows.append(SeveralSources(networks, sources, len(of), **mean))
    return rows


def _figures(pipeline: Pipeline, original: Original, keypoints: Tensor, place: int) -> FrameFigures:
    """Measures every frame of a clip as synthesised from one of them."""
    made = pipeline.draw(original.clip[place], keypoints[place], keypoints)
    return original.judge(planes(made), range(len(made)))


def _of(way: Way, made: dict[int, FrameFigures], frames: Sequence[int]) -> FrameFigures:
    """Returns the figures of some frames, each synthesised from its source."""
    sources = [made[way.places[way.chosen[t]]] for t in frames]
    return FrameFigures(
        *(
            np.array([source[figure][t] for source, t in zip(sources, frames, strict=True)])
            for figure in range(3)
        )
    )
