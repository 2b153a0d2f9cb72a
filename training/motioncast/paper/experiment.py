"""Runs a protocol: every entrant forecasts every clip, each forecast is synthesised and judged.

    reconstruction   source = the clip's own first frame, judged against the clip
    transfer         source = the first frame of another video's clip, judged against the synthesis
                     from the same keypoints without any forecast (paper, section 5.1)

Only one clip's frames are in memory at a time. Frames that no entrant had to forecast are the same
for all of them, and synthesised once.

Shapes: R rows, C clips, T frames, S pixels, K keypoints (x, y, intensity).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from motioncast.data.command_line import first_line
from motioncast.evaluate.canvas import Canvas, Frames
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.paper.entrants import Entrant, EntrantsError
from motioncast.paper.judge import Figures, Judge
from motioncast.paper.metrics.fvd import I3D
from motioncast.paper.protocols import Mode, Protocol, relative_motion, transfer_sources

ALL_KEYPOINTS = "all keypoints"  # nothing forecast: the limit set by the synthesis
COPIED_SOURCE = "copied source"  # no motion at all
REFERENCES = (ALL_KEYPOINTS, COPIED_SOURCE)
CLIPS_PER_CALL = 128

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ProtocolClips:
    """Clips of T frames, the videos they were cut from and their true keypoints."""

    names: tuple[str, ...]
    videos: tuple[str, ...]
    frames: Callable[[int], Frames]
    keypoints: Tensor  # (C, T, K, 3)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tables: a kind of predictor, or a reference, and its initialisation."""

    kind: str
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """Frames of one clip as shown by every row: a strip like the paper's Figures 4, 5."""

    clip: str
    indices: tuple[int, ...]  # of the frames, F of them
    reference: Frames  # (F, S, S, 3)
    strips: Mapping[str, Frames]  # by kind, its first initialisation


@dataclass(frozen=True, slots=True)
class ModeResult:
    """The results of one mode; values are NaN where a measure is undefined."""

    mode: Mode
    rows: tuple[Row, ...]
    values: Mapping[str, Values]  # by measure, (R, C, T)
    features: Values | None = None  # of I3D, (C, R + 1, F): the rows', then the reference's
    examples: tuple[Example, ...] = ()
    sources: tuple[str, ...] = ()  # the clip whose first frame was the source, by clip


def forecast_all(entrants: Sequence[Entrant], keypoints: Tensor, mask: Tensor) -> Tensor:
    """Returns the timelines (R, C, T, K, 3) of all entrants on true keypoints (C, T, K, 3).

    Entrants receive observed frames only. Raises EntrantsError naming one that does not fit.
    """
    hidden = torch.where(mask[:, None, None], keypoints, torch.nan)
    filled = []
    for entrant in tqdm(entrants, desc="forecasting", unit="predictor"):
        try:
            parts = [entrant.predictor(part, mask) for part in torch.split(hidden, CLIPS_PER_CALL)]
        except (RuntimeError, ValueError) as error:
            raise EntrantsError(
                f"predictors: {entrant.checkpoint or entrant.name} cannot forecast"
                f" {keypoints.shape[2]} keypoints in this pattern ({first_line(error)})"
            ) from error
        filled.append(torch.cat(parts))
    return torch.stack(filled)


def run_mode(
    mode: Mode,
    protocol: Protocol,
    model: MotionTransfer,
    clips: ProtocolClips,
    entrants: Sequence[Entrant],
    filled: Tensor,
    i3d: I3D | None = None,
    examples: Mapping[int, Sequence[int]] | None = None,
    relative: bool = False,
    seed: int = 0,
) -> ModeResult:
    """Synthesises and judges all entrants' timelines, filled (R, C, T, K, 3), clip by clip.

    Args:
        i3d: the network for FVD; its features are kept.
        examples: the frames to keep, by clip.
        relative: in transfer, add the driving motion to the source's keypoints instead of taking
            the driving keypoints as they are.
        seed: for drawing the sources in transfer.
    """
    if mode == "reconstruction":
        sources = list(range(len(clips)))
        references = [ALL_KEYPOINTS, COPIED_SOURCE]
    else:
        sources = transfer_sources(clips.videos, torch.Generator().manual_seed(seed))
        references = [COPIED_SOURCE]  # all keypoints is the reference of the others
    rows = (
        *(Row(entrant.kind, entrant.seed) for entrant in entrants),
        *(Row(reference) for reference in references),
    )
    mask = protocol.mask()
    tables = _Tables(len(rows), len(clips), protocol.frames)
    kept: list[Example] = []
    for clip in tqdm(range(len(clips)), desc=mode, unit="clip"):
        source = sources[clip]
        scene = _Scene(
            model,
            truth=clips.frames(clip) if mode == "reconstruction" else None,
            keypoints=clips.keypoints[clip],
            source=clips.frames(source)[0],
            source_keypoints=clips.keypoints[source, 0],
            relative=relative and mode == "transfer",
        )
        outputs: dict[str, Frames] = {}
        videos = []
        for index, row in enumerate(rows):
            timeline = filled[index, clip] if index < len(entrants) else None
            output, figures = scene.show(row, timeline, mask)
            tables.enter(index, clip, figures)
            outputs.setdefault(row.kind, output)
            if i3d is not None:
                videos.append(output)
        if i3d is not None:
            tables.features.append(i3d.features([*videos, scene.reference]))
        if examples and clip in examples:
            chosen = list(examples[clip])
            strips = {kind: output[chosen] for kind, output in outputs.items()}
            kept.append(Example(clips.names[clip], tuple(chosen), scene.reference[chosen], strips))
    return ModeResult(
        mode=mode,
        rows=rows,
        values=tables.values,
        features=np.stack(tables.features) if tables.features else None,
        examples=tuple(kept),
        sources=tuple(clips.names[source] for source in sources),
    )


class _Scene:
    """One clip with its source: everything common to all rows is drawn and measured once."""

    def __init__(
        self,
        model: MotionTransfer,
        truth: Frames | None,
        keypoints: Tensor,
        source: Frames,
        source_keypoints: Tensor,
        relative: bool,
    ) -> None:
        self.source = source
        self.source_keypoints = source_keypoints
        self.relative = relative
        self.canvas = Canvas(model, source, source_keypoints)
        self.everything = self.canvas.draw(self._driving(keypoints))  # nothing forecast
        self.reference = self.everything if truth is None else truth
        self.judge = Judge(model, self.reference)
        self.figures = self.judge.measure(self.everything)

    def show(self, row: Row, timeline: Tensor | None, mask: Tensor) -> tuple[Frames, Figures]:
        """Returns the frames shown by a row (T, S, S, 3), and its figures."""
        if row.kind == COPIED_SOURCE:
            copies = np.broadcast_to(self.source, self.everything.shape)
            return copies, self.judge.measure(copies)
        if timeline is None:
            return self.everything, self.figures
        missing = (~mask).nonzero().flatten().numpy()
        output = self.everything.copy()
        figures = {name: values.copy() for name, values in self.figures.items()}
        if len(missing):
            forecast = self.canvas.draw(self._driving(timeline)[missing])
            output[missing] = forecast
            for name, values in self.judge.measure(forecast, missing).items():
                figures[name][missing] = values
        return output, figures

    def _driving(self, keypoints: Tensor) -> Tensor:
        return relative_motion(keypoints, self.source_keypoints) if self.relative else keypoints


class _Tables:
    """The data kept of every clip: figures and features, no frames."""

    def __init__(self, rows: int, clips: int, frames: int) -> None:
        self.shape = (rows, clips, frames)
        self.values: dict[str, Values] = {}
        self.features: list[Values] = []

    def enter(self, row: int, clip: int, figures: Figures) -> None:
        for name, values in figures.items():
            self.values.setdefault(name, np.full(self.shape, np.nan))[row, clip] = values
