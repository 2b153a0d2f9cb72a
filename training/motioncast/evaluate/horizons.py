"""Does the VRNN beat every other predictor: at which horizons, by how much, how surely?

    motioncast evaluate horizons --tracks TRACKS.npz --predictors FOLDER --out DIR
    python -m motioncast.evaluate.horizons (the same)

Every initialisation forecasts every window of every clip, free running on its mean path. DIR gets
horizons/README.md, horizons.csv, tests.csv, per_clip.csv, results.json and the figure.

Shapes: I initialisations, C clips, N horizons.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from motioncast.data.keypoints import Tracks, load_tracks
from motioncast.evaluate.entrants import Entrant, EntrantsError, first_line, kinds, load_entrants
from motioncast.evaluate.experiment import Values
from motioncast.evaluate.figures import error_per_horizon
from motioncast.evaluate.forecast import Setting, per_clip_errors
from motioncast.evaluate.metrics.statistics import compare, holm
from motioncast.evaluate.provenance import provenance, sha256
from motioncast.evaluate.report import table
from motioncast.evaluate.style import look
from motioncast.evaluate.summary import CONTENDER, FrameLine, interval_of
from motioncast.evaluate.tables import (
    check_replaceable,
    results_folder,
    write_json,
    write_records,
)

SURE = 0.05


@dataclass(frozen=True, slots=True)
class HorizonLine:
    """The error of one predictor at one horizon, pixels at 256x256."""

    predictor: str
    horizon: int
    initialisations: int
    clips: int
    mean: float
    low: float | None
    high: float | None
    best_initialisation: float
    worst_initialisation: float
    relative_to_motion: float  # over the motion since the last observed frame


@dataclass(frozen=True, slots=True)
class HorizonVerdict:
    """Whether the contender beats another predictor at one horizon."""

    against: str
    horizon: int
    difference: float  # pixels at 256x256, positive where the contender is better
    low: float
    high: float
    relative_gain: float | None
    p_value: float
    p_holm: float  # corrected for the number of horizons
    clips_won: int
    clips: int


@dataclass(frozen=True, slots=True)
class ClipLine:
    """The error of one initialisation on one clip at one horizon, pixels at 256x256."""

    predictor: str
    initialisation: int | None
    clip: str
    horizon: int
    error: float


def clip_errors(
    entrants: Sequence[Entrant], tracks: Tracks, clips: Sequence[int], setting: Setting
) -> dict[str, Values]:
    """Returns the errors (I, C, N) in pixels at 256 of every kind, with a progress bar.

    Raises EntrantsError naming the predictor that cannot forecast these keypoints or horizons.
    """
    keypoints = [tracks.clip(clip) for clip in clips]
    errors: dict[str, list[Values]] = {}
    for entrant in tqdm(entrants, desc="forecasting", unit="predictor"):
        try:
            found = per_clip_errors(entrant.predictor, keypoints, setting)
        except (RuntimeError, ValueError) as error:
            raise EntrantsError(
                f"predictors: {entrant.checkpoint or entrant.name} cannot forecast this"
                f" ({first_line(error)})"
            ) from error
        errors.setdefault(entrant.kind, []).append(found.double().numpy())
    return {kind: np.stack(tables) for kind, tables in errors.items()}


def horizon_lines(errors: Mapping[str, Values], seed: int = 0) -> list[HorizonLine]:
    """Returns every predictor's error at every horizon; `hold` among them is the motion itself."""
    rng = np.random.default_rng(seed)
    motion = errors["hold"].mean(axis=(0, 1))  # (N,)
    lines = []
    for kind, table_ in errors.items():
        for index in range(table_.shape[2]):
            own = table_[..., index]  # (I, C)
            mean, low, high = interval_of(own, rng, range(own.shape[1]))
            each = own.mean(axis=1)
            lines.append(
                HorizonLine(
                    predictor=kind,
                    horizon=index + 1,
                    initialisations=len(own),
                    clips=own.shape[1],
                    mean=mean,
                    low=low,
                    high=high,
                    best_initialisation=float(each.min()),
                    worst_initialisation=float(each.max()),
                    relative_to_motion=mean / float(motion[index]),
                )
            )
    return lines


def horizon_verdicts(errors: Mapping[str, Values], seed: int = 0) -> list[HorizonVerdict]:
    """Tests the VRNN against every other predictor at every horizon; none with one clip."""
    if CONTENDER not in errors or errors[CONTENDER].shape[1] < 2:
        return []
    rng = np.random.default_rng(seed)
    own = errors[CONTENDER]
    verdicts = []
    for kind, other in errors.items():
        if kind == CONTENDER:
            continue
        found = [compare(own[..., h], other[..., h], rng) for h in range(own.shape[2])]
        corrected = holm([result.p_value for result in found])
        for index, (result, p_holm) in enumerate(zip(found, corrected, strict=True)):
            won = own[..., index].mean(axis=0) < other[..., index].mean(axis=0)
            gain = result.relative_gain
            verdicts.append(
                HorizonVerdict(
                    against=kind,
                    horizon=index + 1,
                    difference=result.difference.estimate,
                    low=result.difference.low,
                    high=result.difference.high,
                    relative_gain=None if gain is None else gain.estimate,
                    p_value=result.p_value,
                    p_holm=float(p_holm),
                    clips_won=int(won.sum()),
                    clips=result.clips,
                )
            )
    return verdicts


def verdict_sentence(verdicts: Sequence[HorizonVerdict], against: str) -> str:
    """Says in one sentence at which horizons the VRNN is surely better than another predictor."""
    own = [verdict for verdict in verdicts if verdict.against == against]
    sure = [v.horizon for v in own if v.p_holm < SURE]
    lower = [v.horizon for v in own if v.difference > 0]
    gains = [v.relative_gain for v in own if v.relative_gain is not None]
    name = f"{look(CONTENDER).label} against {look(against).label}"
    by = f"; by {min(gains):+.1%} to {max(gains):+.1%} of its error" if gains else ""
    return (
        f"**{name}:** lower error at {_listed(lower, len(own))}, surely (p < {SURE}) at"
        f" {_listed(sure, len(own))}{by}."
    )


def as_page(
    lines: Sequence[HorizonLine],
    verdicts: Sequence[HorizonVerdict],
    setting: Setting,
    data: str,
    notes: Sequence[str],
    command: str,
) -> str:
    """Writes the page of the comparison (Markdown)."""
    names = list(dict.fromkeys(line.predictor for line in lines))
    horizons = list(dict.fromkeys(line.horizon for line in lines))
    found = {(line.predictor, line.horizon): line for line in lines}
    head = ["predictor", "initialisations", *map(str, horizons)]

    def rows(cell: str) -> list[list[str]]:
        return [
            [
                look(name).label,
                str(found[name, 1].initialisations),
                *(f"{getattr(found[name, h], cell):.3f}" for h in horizons),
            ]
            for name in names
        ]

    others = list(dict.fromkeys(verdict.against for verdict in verdicts))
    parts = [
        "# Forecast error by horizon",
        f"{lines[0].clips} clips of {data}; {setting.observed_frames} frames observed, then"
        f" {setting.horizon_frames} forecast free running, windows every {setting.stride_frames}"
        " frames. Mean |dxy| over keypoints, windows and clips, in pixels at 256x256. Made by",
        f"```\n{command}\n```",
        *notes,
        "\n".join(f"- {verdict_sentence(verdicts, other)}" for other in others),
        table(head, rows("mean")),
        "![forecast error by horizon](horizons.png)",
        "## The worst initialisation of each",
        table(head, rows("worst_initialisation")),
        "## Relative to the motion since the last observed frame",
        table(head, rows("relative_to_motion")),
    ]
    if verdicts:
        parts += [
            f"## {look(CONTENDER).label} against each of the others",
            "Difference of the errors (positive: the VRNN is better) with its 95 % interval over"
            " initialisations and clips; one-sided p of sign flips of clips, corrected (Holm) over"
            " the horizons; share of the clips on which the VRNN is better.",
        ]
        columns = ["horizon", "better by, px", "of its error", "p (Holm)", "clips won"]
        parts += [
            f"**Against {look(other).label}**\n\n"
            + table(columns, [_row(verdict) for verdict in verdicts if verdict.against == other])
            for other in others
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the comparison; what is wrong with its input is one sentence and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    setting = Setting(options.observed, options.horizon, options.stride)
    folder = options.out / "horizons"
    try:
        check_replaceable(folder, options.force)
        tracks = load_tracks(options.tracks)
        entrants = load_entrants(options.predictors, options.initialisations)
        clips, notes = _long_enough(tracks, options.part, setting)
        errors = clip_errors(entrants, tracks, clips, setting)
    except (OSError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {first_line(error)}\n")

    lines, verdicts = horizon_lines(errors), horizon_verdicts(errors)
    command = shlex.join(["motioncast", "evaluate", "horizons", *arguments])
    page = as_page(lines, verdicts, setting, str(options.tracks), notes, command)
    with results_folder(folder, options.force) as unfinished:
        error_per_horizon(unfinished / "horizons", _curves(lines), "forecast_error")
        (unfinished / "README.md").write_text(page)
        write_records(unfinished / "horizons.csv", HorizonLine, lines)
        write_records(unfinished / "tests.csv", HorizonVerdict, verdicts)
        write_records(
            unfinished / "per_clip.csv", ClipLine, _clip_lines(entrants, errors, tracks, clips)
        )
        files = [entrant.checkpoint for entrant in entrants if entrant.checkpoint]
        content = {
            "command": command,
            "setting": asdict(setting),
            "tracks_sha256": sha256(options.tracks),
            **provenance(files),
            "clips": [tracks.names[clip] for clip in clips],
            "notes": notes,
            "errors": [asdict(line) for line in lines],
            "tests": [asdict(verdict) for verdict in verdicts],
        }
        write_json(unfinished / "results.json", content)
    print(page.split("## ")[0].strip())
    print(f"\n{folder / 'README.md'}: the results")


def _long_enough(tracks: Tracks, part: str, setting: Setting) -> tuple[list[int], list[str]]:
    wanted = {"training": (False,), "validation": (True,), "all": (False, True)}[part]
    chosen = [clip for clip, held in enumerate(tracks.validation) if held in wanted]
    clips = [clip for clip in chosen if len(tracks.clip(clip)) >= setting.length]
    if not clips:
        raise ValueError(f"tracks: no clip has the {setting.length} frames of a window")
    short = [tracks.names[clip] for clip in chosen if clip not in clips]
    left_out = f"Left out, shorter than {setting.length} frames: {', '.join(short)}."
    notes = [left_out] if short else []
    if len(clips) < 2:
        notes.append("One clip: no interval and no test can be given.")
    return clips, notes


def _curves(lines: Sequence[HorizonLine]) -> list[FrameLine]:
    return [
        FrameLine(
            mode="keypoints",
            predictor=line.predictor,
            measure="forecast_error",
            frame=line.horizon,
            observed=False,
            horizon=line.horizon,
            mean=line.mean,
            low=line.low,
            high=line.high,
        )
        for line in lines
    ]


def _clip_lines(
    entrants: Sequence[Entrant], errors: Mapping[str, Values], tracks: Tracks, clips: Sequence[int]
) -> list[ClipLine]:
    return [
        ClipLine(kind, entrant.seed, tracks.names[clip], horizon, float(value))
        for kind in kinds(entrants)
        for entrant, of_clips in zip(
            [entrant for entrant in entrants if entrant.kind == kind], errors[kind], strict=True
        )
        for clip, of_horizons in zip(clips, of_clips, strict=True)
        for horizon, value in enumerate(of_horizons, start=1)
    ]


def _row(verdict: HorizonVerdict) -> list[str]:
    gain = "" if verdict.relative_gain is None else f"{verdict.relative_gain:+.1%}"
    return [
        str(verdict.horizon),
        f"{verdict.difference:+.4f} [{verdict.low:+.4f}, {verdict.high:+.4f}]",
        gain,
        "< 0.001" if verdict.p_holm < 0.001 else f"{verdict.p_holm:.3f}",
        f"{verdict.clips_won} of {verdict.clips}",
    ]


def _listed(horizons: Sequence[int], count: int) -> str:
    if not horizons:
        return "no horizon"
    if len(horizons) == count:
        return "every horizon" if count > 1 else "its horizon"
    return f"horizon{'s' if len(horizons) > 1 else ''} {', '.join(map(str, horizons))}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="motioncast evaluate horizons",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tracks", type=Path, required=True, help="from `motioncast train tracks`")
    parser.add_argument(
        "--predictors", type=Path, required=True, metavar="FOLDER", help="<kind>_<seed>.pt, var.pt"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets DIR/horizons")
    parser.add_argument("--force", action="store_true", help="replace earlier results there")
    parser.add_argument("--part", choices=("training", "validation", "all"), default="all")
    parser.add_argument("--initialisations", type=int, metavar="N", help="only the first N")
    parser.add_argument("--observed", type=int, default=Setting().observed_frames)
    parser.add_argument("--horizon", type=int, default=Setting().horizon_frames)
    parser.add_argument("--stride", type=int, default=Setting().stride_frames)
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    main()
