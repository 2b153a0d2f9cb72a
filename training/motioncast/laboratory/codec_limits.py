"""Measures what a keypoint codec could save by coding blocks of frames, and by choosing integers.

    python -m motioncast.laboratory.codec_limits --tracks train.npz --test test.npz --model face256

A block of N frames is coded together, as displacements from the last decoded frame before it: along
the directions of the model's codec tables, and over time along the block's principal directions,
fitted to the training clips. Coefficients are quantised with the dead zone of the shipped codec, or
chosen: the integer with the least squared error plus a multiple of its bits. The step is the one
with the requested error on the validation clips. Bits are without headers, for static frequencies
as in the tables (a scale per block, a class per coefficient), fitted to the training clips.

Shapes: T frames, K keypoints, B blocks of N frames, C coefficients of a frame, M = N C of a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import typer

from motioncast.codec import CodecTables, read_tables
from motioncast.codec.lattice import UNIT, Lattice, to_lattice
from motioncast.codec.tables import CLASSES, ESCAPE, SCALES
from motioncast.data.command_line import Program, Refusal, refusing
from motioncast.data.keypoints import TracksError, load_tracks
from motioncast.evaluate.codec import tables_file
from motioncast.evaluate.markdown import table
from motioncast.train.codec_tables import PIXELS_PER_UNIT, geometric_classes

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

_ROUNDING: Final = 0.3  # added before cutting off: the dead zone of the shipped codec
_UNIT_CLASS: Final = 40  # of a mean magnitude of 1
_FIRST_STEPS: Final = (0.3, 4.0)  # times the tables' steps
_SEARCHES: Final = 8
_ROUNDS: Final = 5  # of fitting frequencies
_PRIOR_COUNT: Final = 25.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What magnitudes cost: a scale per block shifts the class of every coefficient."""

    profile: Whole  # (M,)
    costs: Floats  # (64, 16) bits of every magnitude of a class, with its sign
    scale_costs: Floats  # (16,)

    def classes(self, scale: int) -> Whole:
        """Returns the classes (M,) at a scale."""
        return _shifted(self.profile, scale)

    def of_scales(self, magnitudes: Whole) -> Floats:
        """Returns the bits (B, 16) of blocks (B, M) at every scale."""
        symbols, every = np.minimum(magnitudes, ESCAPE), range(SCALES)
        costs = [self.costs[self.classes(scale), symbols].sum(axis=-1) for scale in every]
        beyond = np.maximum(magnitudes - ESCAPE, 0) + 1
        escapes = np.where(magnitudes >= ESCAPE, 2 * np.floor(np.log2(beyond)) + 1, 0).sum(axis=-1)
        return np.asarray(np.stack(costs, axis=-1) + self.scale_costs + escapes[..., None])


def fit_statistics(magnitudes: Whole) -> Statistics:
    """Fits the frequencies to blocks (B, M), as `motioncast train codec` does."""
    prior = geometric_classes() / geometric_classes().sum(axis=1, keepdims=True)
    symbols = np.minimum(magnitudes, ESCAPE)
    middle = np.full(magnitudes.shape[1], _UNIT_CLASS)
    found = Statistics(middle, _costs(prior), np.full(SCALES, np.log2(SCALES)))
    for _ in range(_ROUNDS):
        scales = found.of_scales(magnitudes).argmin(axis=1)  # (B,)
        counts = np.zeros((SCALES, magnitudes.shape[1], ESCAPE + 1))
        np.add.at(counts, (scales[:, None], np.arange(magnitudes.shape[1]), symbols), 1)
        totals = [
            np.einsum("scm,sm->c", counts, found.costs[_shifted(one, np.arange(SCALES))])
            for one in range(CLASSES)
        ]
        shares = np.bincount(scales, minlength=SCALES) + 1.0
        found = replace(
            found,
            profile=np.stack(totals).argmin(axis=0),
            scale_costs=-np.log2(shares / shares.sum()),
        )
        frequencies = _PRIOR_COUNT * prior
        for scale in range(SCALES):
            np.add.at(frequencies, found.classes(scale), counts[scale])
        found = replace(found, costs=_costs(frequencies))
    return found


def _shifted(classes: Whole | int, scale: Whole | int) -> Whole:
    shifted: Whole = np.clip(classes + 2 * (np.asarray(scale) - SCALES // 2), 0, CLASSES - 1)
    return shifted


def _costs(frequencies: Floats) -> Floats:
    costs = -np.log2(frequencies / frequencies.sum(axis=1, keepdims=True))
    return np.asarray(costs + (np.arange(ESCAPE + 1) > 0))


class Coded(NamedTuple):
    """Blocks of clips, as magnitudes (B, M), and the mean error in pixels at 256."""

    magnitudes: Whole
    error: float


@dataclass(frozen=True, slots=True)
class BlockCodec:
    """Codes blocks of frames together.

    Attributes:
        tables: The directions of a frame's keypoints and their steps.
        over_time: (N, N), rows are directions of a block over time.
        step: Times the tables' steps.
        multiplier: Squared steps that a bit is worth; 0: quantise with the dead zone.
        statistics: What magnitudes cost; only needed with a multiplier.
    """

    tables: CodecTables
    over_time: Floats
    step: float = 1.0
    multiplier: float = 0.0
    statistics: Statistics | None = None

    def code(self, clips: Sequence[Lattice]) -> Coded:
        """Codes clips (T, 3K), each from its second frame on; the last frames fill no block."""
        frames = len(self.over_time)
        matrix, steps = self.tables.matrix / UNIT, self.tables.steps * self.step
        magnitudes, errors = [], []
        for clip in clips:
            before = clip[0].astype(np.float64)
            for first in range(1, len(clip) - frames + 1, frames):
                block = clip[first : first + frames]
                scaled = self.over_time @ ((block - before) @ matrix.T) / steps  # (N, C)
                chosen = self._quantised(np.abs(scaled).ravel()).reshape(scaled.shape)
                moved = self.over_time.T @ (np.sign(scaled) * chosen * steps) @ matrix
                decoded = before + np.rint(moved)
                off = ((decoded - block) / UNIT).reshape(frames, -1, 3)
                errors.append(np.hypot(off[..., 0], off[..., 1]).mean() * PIXELS_PER_UNIT)
                magnitudes.append(chosen.ravel())
                before = decoded[-1]
        return Coded(np.array(magnitudes), float(np.mean(errors)))

    def _quantised(self, scaled: Floats) -> Whole:
        """Returns magnitudes (M,) for the absolute values of coefficients in steps."""
        chosen = np.floor(scaled + _ROUNDING).astype(np.int64)
        if self.statistics is None or self.multiplier == 0:
            return chosen
        nearest = np.rint(scaled).astype(np.int64)
        candidates = np.stack([np.zeros_like(nearest), np.maximum(nearest - 1, 0), nearest])
        scale = int(self.statistics.of_scales(chosen).argmin())
        bits = self.statistics.costs[self.statistics.classes(scale), np.minimum(candidates, ESCAPE)]
        best = ((scaled - candidates) ** 2 + self.multiplier * bits).argmin(axis=0)
        magnitudes: Whole = np.take_along_axis(candidates, best[None], axis=0)[0]
        return magnitudes


def directions_over_time(tables: CodecTables, clips: Sequence[Lattice], frames: int) -> Floats:
    """Returns the principal directions (N, N) of blocks of displacements, in steps."""
    scatter = np.zeros((frames, frames))
    for clip in clips:
        scaled = clip @ (tables.matrix / UNIT).T / tables.steps  # (T, C)
        for first in range(1, len(clip) - frames + 1):
            moved = scaled[first : first + frames] - scaled[first - 1]
            scatter += moved @ moved.T
    return np.asarray(np.linalg.eigh(scatter)[1][:, ::-1].T)


def fitted(
    codec: BlockCodec, training: Sequence[Lattice], validation: Sequence[Lattice], error: float
) -> BlockCodec:
    """Returns the codec with frequencies, and the step with that error on validation clips."""
    low, high = _FIRST_STEPS
    for search in range(_SEARCHES):
        codec = replace(codec, step=(low * high) ** 0.5)
        if search < _SEARCHES // 2:  # what is chosen depends on the frequencies at this step
            codec = replace(codec, statistics=fit_statistics(codec.code(training).magnitudes))
        if codec.code(validation).error > error:
            high = codec.step
        else:
            low = codec.step
    codec = replace(codec, step=low)
    return replace(codec, statistics=fit_statistics(codec.code(training).magnitudes))


def bits_of_a_frame(codec: BlockCodec, clips: Sequence[Lattice]) -> tuple[float, float]:
    """Returns the mean bits of a frame, and the mean error in pixels."""
    assert codec.statistics is not None  # it is fitted
    coded = codec.code(clips)
    bits = codec.statistics.of_scales(coded.magnitudes).min(axis=1)
    return float(bits.mean() / len(codec.over_time)), coded.error


@dataclass(frozen=True, kw_only=True)
class LimitsOptions:
    """The tracks, and what is tried on them."""

    tracks: Annotated[Path, typer.Option(metavar="FILE", help="tracks to fit and validate on")]
    test: Annotated[Path, typer.Option(metavar="FILE", help="tracks to report")]
    model: Annotated[str, typer.Option(metavar="NAME")] = "face256"
    models: Annotated[Path, typer.Option(metavar="FOLDER")] = Path("model_repository")
    frames: Annotated[list[int], typer.Option(min=1, max=32, help="of a block; repeatable")] = (
        field(default_factory=lambda: [1, 2, 4, 8])
    )
    multiplier: Annotated[
        list[float], typer.Option(min=0, help="squared steps that a bit is worth; repeatable")
    ] = field(default_factory=lambda: [0.0, 0.12])
    error_pixels: float = 0.25


def run(options: LimitsOptions, command: str) -> None:
    """Prints the bits of a frame; raises Refusal for invalid input."""
    with refusing(TracksError, OSError, ValueError):
        tables = read_tables(tables_file(options.models, options.model))
        tracks = load_tracks(options.tracks)
        training, validation = (
            [_frames(clip.numpy(), tables) for clip in clips]
            for clips in (tracks.subset("training"), tracks.subset("validation"))
        )
        test = [_frames(clip.numpy(), tables) for clip in load_tracks(options.test).subset("all")]
    if not (training and validation and test):
        raise Refusal("--tracks: needs clips to fit and clips to validate on, --test at least one")
    if not all(len(clip) > max(options.frames) for clip in (*training, *validation, *test)):
        raise Refusal(f"--frames: a clip has no block of {max(options.frames)} frames")
    lines = []
    for multiplier in options.multiplier:
        for frames in options.frames:
            over_time = directions_over_time(tables, training, frames)
            codec = BlockCodec(tables, over_time, multiplier=multiplier)
            codec = fitted(codec, training, validation, options.error_pixels)
            figures = [
                f"{figure:.{digits}f}"
                for clips in (validation, test)
                for figure, digits in zip(bits_of_a_frame(codec, clips), (1, 3), strict=True)
            ]
            how = f"chosen, {multiplier:g}" if multiplier else "dead zone"
            lines.append([str(frames), how, *figures])
    heads = ["frames", "quantised", "validation: bits a frame", "px", "test: bits a frame", "px"]
    print(table(heads, lines))


def _frames(clip: npt.NDArray[np.float32], tables: CodecTables) -> Lattice:
    if clip.shape[1] != tables.keypoints:
        raise ValueError(f"tracks: {clip.shape[1]} keypoints, the tables have {tables.keypoints}")
    return to_lattice(clip)


main = Program("python -m motioncast.laboratory.codec_limits", LimitsOptions, run, __doc__)


if __name__ == "__main__":
    main()
