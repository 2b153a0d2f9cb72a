"""Fits the keypoint codec's tables to the keypoint tracks of training people.

    matrix     the directions in which keypoints move together (displacements over 1, 2 and 4
               frames), or none; intensities separately, those that never change as one
    steps      such that the mean error on held-out clips is the requested one
    profiles, scales, classes
               alternately, each the cheapest for the residuals of the codec itself: against the
               frame before, the fifth frame before, and the clip's first frame

Shapes: N clips, T frames, K keypoints, C coefficients, F residuals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from motioncast.codec.lattice import UNIT, from_lattice, to_lattice
from motioncast.codec.range_coder import TOTAL
from motioncast.codec.tables import (
    CLASSES,
    ESCAPE,
    SCALES,
    SYMBOLS,
    CodecTables,
    Integers,
    Kind,
)
from motioncast.codec.transform import quantise, reconstruct

Clip = npt.NDArray[np.float32]  # (T, K, 3)

PIXELS_PER_UNIT = 127.5  # of an image of 256 pixels
INTENSITY_STEP = 1 / 32
DISPLACEMENT_LAGS = (1, 2, 4)
LEAP_FRAMES = 5
ANCHOR_STRIDE = 5
_STEADY = 1e-3  # an intensity with a smaller standard deviation counts as constant
_ROUNDS = 4
_PRIOR_COUNT = 50.0  # pseudo-counts of a class, from the geometric distribution
_CLASSES_PER_OCTAVE, _UNIT_CLASS = 4, 40  # class 40: mean magnitude 1


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How tables are fitted."""

    error_pixels: float = 0.25  # at 256: mean distance by which quantisation moves keypoints
    components: int = 0  # directions of position to code; 0: every value separately
    intensity_step: float = INTENSITY_STEP


def fit_tables(
    training: Sequence[Clip], validation: Sequence[Clip], settings: FitSettings
) -> CodecTables:
    """Returns the tables for clips (T, K, 3) of training people; the step fits `validation`.

    Raises ValueError if no clip has two frames, or there are fewer directions than requested.
    """
    training = [clip for clip in training if len(clip) > LEAP_FRAMES]
    if not training or not any(len(clip) > 1 for clip in validation):
        raise ValueError(
            f"clips: none of more than {LEAP_FRAMES} frames to train on, or none of two"
            " frames to validate on"
        )
    matrix, widths = _matrix(training, settings.components)
    positions, intensities = widths == 0, np.maximum(widths, 1) ** 0.5
    geometric = geometric_classes()
    tables = CodecTables(
        keypoints=training[0].shape[1],
        matrix=matrix,
        steps=np.ones(len(matrix), np.int64),
        profiles=np.full((len(Kind), len(matrix)), _UNIT_CLASS, np.int64),
        scales=np.full((len(Kind), SCALES), TOTAL // SCALES, np.int64),
        classes=geometric,
    )

    def with_step(pixels: float) -> CodecTables:
        each = np.where(positions, pixels / PIXELS_PER_UNIT, settings.intensity_step * intensities)
        return replace(tables, steps=np.rint(np.clip(each * UNIT, 1, UNIT)).astype(np.int64))

    tables = with_step(_step_for(with_step, validation, settings.error_pixels))
    residuals = {
        Kind.STEP: chained(tables, training, 1),
        Kind.LEAP: chained(tables, training, LEAP_FRAMES),
        Kind.ANCHOR: anchored(tables, training),
    }
    return _fit_statistics(tables, residuals)


def mean_error_pixels(tables: CodecTables, clips: Sequence[Clip]) -> float:
    """Returns the mean distance at 256 between keypoints and decoded ones, sending every frame."""
    errors: list[npt.NDArray[np.float64]] = []
    _run(tables, clips, 1, errors)
    return float(np.concatenate(errors).mean())


def chained(tables: CodecTables, clips: Sequence[Clip], lag: int) -> Integers:
    """Returns the coefficients (F, C) of frames coded against the decoded frame `lag` before."""
    return _run(tables, clips, lag, [])


def anchored(tables: CodecTables, clips: Sequence[Clip]) -> Integers:
    """Returns the coefficients (F, C) of every fifth frame coded against the clip's first frame."""
    points = [to_lattice(clip) for clip in clips]
    moved = np.concatenate([clip[ANCHOR_STRIDE::ANCHOR_STRIDE] - clip[0] for clip in points])
    return quantise(tables, moved, tables.steps)


def geometric_classes() -> Integers:
    """Returns frequencies (64, 16) of magnitudes whose signed values are two-sided geometric.

    The mean magnitude of class c is 2^((c - 40) / 4).
    """
    mean = 2.0 ** ((np.arange(CLASSES) - _UNIT_CLASS) / _CLASSES_PER_OCTAVE)
    ratio = np.sqrt(1 + 1 / mean**2) - 1 / mean  # mean = 2 ratio / (1 - ratio^2)
    zero = (1 - ratio) / (1 + ratio)
    beyond = zero[:, None] * 2 * ratio[:, None] ** np.arange(1, ESCAPE)
    shares = np.concatenate([zero[:, None], beyond], axis=1)
    shares = np.concatenate([shares, 1 - shares.sum(axis=1, keepdims=True)], axis=1)
    return to_frequencies(shares)


def to_frequencies(shares: npt.NDArray[np.floating[Any]]) -> Integers:
    """Returns integers of at least 1, in proportion to shares (..., S), that add up to 2^15."""
    shares = np.maximum(shares, 0)
    shares = shares / shares.sum(axis=-1, keepdims=True)
    spare = TOTAL - shares.shape[-1]
    frequencies = 1 + np.floor(shares * spare).astype(np.int64)
    largest = frequencies.argmax(axis=-1)[..., None]
    rest = TOTAL - frequencies.sum(axis=-1, keepdims=True)
    np.put_along_axis(frequencies, largest, np.take_along_axis(frequencies, largest, -1) + rest, -1)
    whole: Integers = frequencies
    return whole


def _matrix(clips: Sequence[Clip], components: int) -> tuple[Integers, npt.NDArray[np.int64]]:
    """Returns rows (C, 3K) and the number of intensities in each; 0 means positions."""
    keypoints = clips[0].shape[1]
    if components == 0:
        widths = np.tile(np.array([0, 0, 1]), keypoints)
        return np.eye(3 * keypoints, dtype=np.int64) * UNIT, widths
    if components > 2 * keypoints:
        raise ValueError(
            f"components: {components} is more than {2 * keypoints}, the number for"
            f" {keypoints} keypoints"
        )
    scatter = np.zeros((2 * keypoints, 2 * keypoints))
    for lag in DISPLACEMENT_LAGS:
        moved = np.concatenate(
            [(clip[lag:] - clip[:-lag])[..., :2].reshape(-1, 2 * keypoints) for clip in clips]
        ).astype(np.float64)
        scatter += moved.T @ moved / (lag * len(moved))
    directions = np.linalg.eigh(scatter)[1][:, ::-1][:, :components].T  # (C, 2K)
    rows = np.zeros((components, keypoints, 3))
    rows[..., :2] = directions.reshape(components, keypoints, 2)
    steady = np.concatenate(clips)[..., 2].std(axis=0) < _STEADY  # (K,)
    groups = [[k] for k in np.flatnonzero(~steady)]
    groups += [list(np.flatnonzero(steady))] if steady.any() else []
    apart = np.zeros((len(groups), keypoints, 3))
    for row, group in zip(apart, groups, strict=True):
        row[group, 2] = len(group) ** -0.5
    both = np.concatenate([rows, apart]).reshape(-1, 3 * keypoints)
    widths = np.array([0] * components + [len(group) for group in groups])
    return np.rint(both * UNIT).astype(np.int64), widths


def _step_for(
    with_step: Callable[[float], CodecTables], clips: Sequence[Clip], error_pixels: float
) -> float:
    """Returns the position step in pixels that gives the requested mean error."""
    low, high = error_pixels, 8 * error_pixels
    for _ in range(8):
        middle = (low + high) / 2
        if mean_error_pixels(with_step(middle), clips) > error_pixels:
            high = middle
        else:
            low = middle
    return low


def _run(
    tables: CodecTables,
    clips: Sequence[Clip],
    lag: int,
    errors: list[npt.NDArray[np.float64]],
) -> Integers:
    """Codes clips in parallel against the decoded frame `lag` before; returns coefficients."""
    frames = max(map(len, clips))
    given = np.stack(
        [np.concatenate([clip, np.repeat(clip[-1:], frames - len(clip), axis=0)]) for clip in clips]
    )
    points, lengths = to_lattice(given), np.array([len(clip) for clip in clips])
    decoded = [points[:, t] for t in range(lag)]
    found = [np.zeros((0, tables.coefficients), np.int64)]
    for t in range(lag, frames):
        live = np.flatnonzero(lengths > t)
        reference = decoded[t - lag][live]
        coefficients = quantise(tables, points[live, t] - reference, tables.steps)
        made = decoded[t - lag].copy()
        made[live] = reconstruct(tables, reference, coefficients, tables.steps)
        decoded.append(made)
        found.append(coefficients)
        moved = from_lattice(made[live]) - given[live, t]
        errors.append(np.hypot(moved[..., 0], moved[..., 1]).mean(axis=-1) * PIXELS_PER_UNIT)
    return np.concatenate(found)


def _fit_statistics(tables: CodecTables, residuals: dict[Kind, Integers]) -> CodecTables:
    symbols = {kind: np.minimum(np.abs(found), ESCAPE) for kind, found in residuals.items()}
    for _ in range(_ROUNDS):
        profiles, scales = tables.profiles.copy(), tables.scales.copy()
        counts = tables_prior()
        for kind, found in symbols.items():
            chosen = _scales(tables, kind, found)  # (F,)
            profiles[kind] = _profile(tables, found, chosen)
            shares = np.bincount(chosen, minlength=SCALES) + 1.0
            scales[kind] = to_frequencies(shares)
            updated = replace(tables, profiles=profiles)
            np.add.at(counts, (updated.frame_classes[kind][chosen], found), 1.0)
        tables = replace(tables, profiles=profiles, scales=scales, classes=to_frequencies(counts))
    return tables


def tables_prior() -> npt.NDArray[np.float64]:
    """Returns the pseudo-counts (64, 16) of each class before any data."""
    return geometric_classes() / TOTAL * _PRIOR_COUNT


def _scales(tables: CodecTables, kind: Kind, symbols: Integers) -> Integers:
    """Returns the scale (F,) at which each frame's magnitudes (F, C) cost least."""
    costs = np.stack(
        [
            tables.class_costs[tables.frame_classes[kind, scale], symbols].sum(axis=1)
            for scale in range(SCALES)
        ]
    )  # (16, F)
    chosen: Integers = (costs + tables.scale_costs[kind][:, None]).argmin(axis=0)
    return chosen


def _profile(tables: CodecTables, symbols: Integers, scales: Integers) -> Integers:
    """Returns the class (C,) at which every coefficient's magnitudes (F, C) cost least."""
    counts = np.zeros((SCALES, symbols.shape[1], SYMBOLS), np.int64)
    columns = np.arange(symbols.shape[1])
    np.add.at(counts, (scales[:, None], columns, symbols), 1)
    every = replace(tables, profiles=np.zeros_like(tables.profiles))
    costs = []
    for one in range(CLASSES):
        shifted = np.clip(one + 2 * (np.arange(SCALES) - 8), 0, CLASSES - 1)  # (16,)
        costs.append(np.einsum("scm,sm->c", counts, every.class_costs[shifted]))
    cheapest: Integers = np.stack(costs).argmin(axis=0)
    return cheapest
