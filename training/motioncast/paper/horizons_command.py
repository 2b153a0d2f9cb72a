"""Compares all predictors of a folder horizon by horizon, and writes a page about it.

    motioncast paper horizons --tracks TRACKS.npz --predictors FOLDER --out DIR
    python -m motioncast.paper.horizons_command (the same)

DIR receives horizons/README.md, horizons.csv, coverage.csv, tests.csv, per_clip.csv, results.json
and the figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer

from motioncast.data.command_line import Program, refusing
from motioncast.data.keypoints import Part, Tracks, load_tracks
from motioncast.data.windows import every_window
from motioncast.evaluate.coverage import CoverageLine, coverage_lines, coverage_rows
from motioncast.evaluate.markdown import table
from motioncast.evaluate.provenance import provenance, sha256
from motioncast.evaluate.results import (
    check_replaceable,
    results_folder,
    write_json,
    write_records,
)
from motioncast.metrics.forecast import Setting
from motioncast.paper.entrants import Entrant, kinds, load_entrants
from motioncast.paper.experiment import Values
from motioncast.paper.figures import error_per_horizon
from motioncast.paper.horizons import (
    ClipLine,
    HorizonLine,
    HorizonVerdict,
    clip_errors,
    horizon_lines,
    horizon_verdicts,
    verdict_sentence,
)
from motioncast.paper.style import look
from motioncast.paper.summary import CONTENDER, FrameLine


@dataclass(frozen=True, kw_only=True)
class HorizonOptions:
    """Which predictors forecast which tracks, and how far."""

    tracks: Annotated[Path, typer.Option(help="keypoint tracks, from `motioncast train tracks`")]
    predictors: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="folder of predictor checkpoints: <kind>_<seed>.pt and var.pt"
        ),
    ]
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder to write DIR/horizons in")]
    force: Annotated[
        bool, typer.Option("--force", help="replace earlier results in the folder")
    ] = False
    part: Annotated[Part, typer.Option(help="which clips of the tracks to use")] = "all"
    initialisations: Annotated[
        int | None,
        typer.Option(metavar="N", help="use only the first N initialisations of each kind"),
    ] = None
    observed: int = Setting().observed_frames
    horizon: int = Setting().horizon_frames
    stride: int = Setting().stride_frames
    threads: int = 2


def run(options: HorizonOptions, command: str) -> None:
    """Runs the comparison; raises Refusal for invalid input."""
    torch.set_num_threads(options.threads)
    setting = Setting(options.observed, options.horizon, options.stride)
    folder = options.out / "horizons"
    with refusing(OSError, ValueError):
        check_replaceable(folder, options.force)
        tracks = load_tracks(options.tracks)
        entrants = load_entrants(options.predictors, options.initialisations)
        clips, notes = _long_enough(tracks, options.part, setting)
        errors = clip_errors(entrants, tracks, clips, setting)
        intervals = _intervals(entrants, tracks, clips, setting)

    lines, verdicts = horizon_lines(errors), horizon_verdicts(errors)
    page = as_page(lines, verdicts, intervals, setting, str(options.tracks), notes, command)
    with results_folder(folder, options.force) as unfinished:
        error_per_horizon(unfinished / "horizons", _curves(lines), "forecast_error")
        (unfinished / "README.md").write_text(page)
        write_records(unfinished / "horizons.csv", HorizonLine, lines)
        write_records(unfinished / "coverage.csv", CoverageLine, intervals)
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
            "intervals": [asdict(line) for line in intervals],
            "tests": [asdict(verdict) for verdict in verdicts],
        }
        write_json(unfinished / "results.json", content)
    print(page.split("## ")[0].strip())
    print(f"\nresults: {folder / 'README.md'}")


def as_page(
    lines: Sequence[HorizonLine],
    verdicts: Sequence[HorizonVerdict],
    intervals: Sequence[CoverageLine],
    setting: Setting,
    data: str,
    notes: Sequence[str],
    command: str,
) -> str:
    """Returns the comparison's page (Markdown)."""
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
        "## The worst initialisation of each predictor",
        table(head, rows("worst_initialisation")),
        "## Relative to the motion since the last observed frame",
        table(head, rows("relative_to_motion")),
    ]
    if intervals:
        parts += [
            "## The 90 % intervals stated by the predictors",
            "Share of true x and y within the stated interval; the same for the central 90"
            " % of sampled paths; and the mean width of the stated interval in pixels at"
            " 256x256.",
            table(
                ["", *map(str, horizons)],
                [
                    [name, *(f"{value:.3f}" for value in row)]
                    for name, row in coverage_rows(intervals).items()
                ],
            ),
        ]
    if verdicts:
        parts += [
            f"## {look(CONTENDER).label} against each of the others",
            "Difference of the errors (positive: the VRNN is better) with its 95 % interval"
            " over initialisations and clips; one-sided p of a sign-flip test over clips,"
            " Holm-corrected over the horizons; number of clips on which the VRNN is"
            " better.",
        ]
        columns = ["horizon", "better by, px", "of its error", "p (Holm)", "clips won"]
        parts += [
            f"**Against {look(other).label}**\n\n"
            + table(columns, [_row(verdict) for verdict in verdicts if verdict.against == other])
            for other in others
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _intervals(
    entrants: Sequence[Entrant], tracks: Tracks, clips: Sequence[int], setting: Setting
) -> list[CoverageLine]:
    files: dict[str, list[Path]] = {}
    for entrant in entrants:
        if entrant.checkpoint:
            files.setdefault(entrant.kind, []).append(entrant.checkpoint)
    keypoints = [tracks.clip(clip) for clip in clips]
    windows = every_window(keypoints, setting.length, setting.stride_frames)
    return coverage_lines(files, windows, setting.observed_frames)


def _row(verdict: HorizonVerdict) -> list[str]:
    gain = "" if verdict.relative_gain is None else f"{verdict.relative_gain:+.1%}"
    return [
        str(verdict.horizon),
        f"{verdict.difference:+.4f} [{verdict.low:+.4f}, {verdict.high:+.4f}]",
        gain,
        "< 0.001" if verdict.p_holm < 0.001 else f"{verdict.p_holm:.3f}",
        f"{verdict.clips_won} of {verdict.clips}",
    ]


def _long_enough(tracks: Tracks, part: str, setting: Setting) -> tuple[list[int], list[str]]:
    wanted = {"training": (False,), "validation": (True,), "all": (False, True)}[part]
    chosen = [clip for clip, held in enumerate(tracks.validation) if held in wanted]
    clips = [clip for clip in chosen if len(tracks.clip(clip)) >= setting.length]
    if not clips:
        raise ValueError(f"tracks: all clips are shorter than a window of {setting.length} frames")
    short = [tracks.names[clip] for clip in chosen if clip not in clips]
    left_out = f"Left out, shorter than {setting.length} frames: {', '.join(short)}."
    notes = [left_out] if short else []
    if len(clips) < 2:
        notes.append("There is only one clip, so no intervals or tests can be given.")
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


main = Program("motioncast paper horizons", HorizonOptions, run, __doc__)


if __name__ == "__main__":
    main()
