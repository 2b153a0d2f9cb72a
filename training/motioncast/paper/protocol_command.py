"""Runs one of the paper's experiments and writes its tables, figures and page.

    motioncast paper m1|m2|bair --data FOLDER --out DIR
    python -m motioncast.paper.protocol_command m1|m2|bair --data FOLDER --out DIR

DIR/<protocol>/ receives README.md with everything, summary.csv, per_frame.csv, per_clip.csv,
per_initialisation.csv, tests.csv, results.json and the figures.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer
from torch import Tensor

from motioncast.data.arguments import DataOptions, open_data
from motioncast.data.clip_cache import ClipCache
from motioncast.data.command_line import Program, refusing
from motioncast.data.cut import Cut, cut_clips, window_frames, window_tracks
from motioncast.data.keypoints import Tracks, cached_tracks
from motioncast.evaluate.results import (
    check_replaceable,
    results_folder,
    write_json,
    write_records,
)
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.paper.drawing import draw_findings
from motioncast.paper.entrants import Entrant, load_entrants
from motioncast.paper.experiment import ModeResult, ProtocolClips, forecast_all, run_mode
from motioncast.paper.findings_json import as_json
from motioncast.paper.latents import (
    PATHS,
    LatentPathPicture,
    latent_figures,
    latent_pictures,
    load_vrnns,
)
from motioncast.paper.metrics.fvd import FEW_CLIPS, I3D, unavailable
from motioncast.paper.protocols import MODES, PROTOCOLS, Mode, Protocol, ProtocolName
from motioncast.paper.report import Findings, as_markdown
from motioncast.paper.sections import image_section, keypoint_section
from motioncast.paper.strips import strip_frames
from motioncast.paper.summary import FrameLine, Line, Verdict, per_frame, summarise
from motioncast.paper.summary import verdicts as verdicts_of
from motioncast.paper.tables import write_per_clip, write_per_initialisation

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"  # in a clone
EXAMPLES = 2


class ExperimentError(ValueError):
    """Raised when an experiment cannot be run as requested; the message says why."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything an experiment needs, checked."""

    protocol: Protocol
    modes: tuple[Mode, ...]
    model: MotionTransfer
    synthesis: Path
    clips: ProtocolClips
    entrants: list[Entrant]
    filled: Tensor  # (R, C, T, K, 3), the timelines of all entrants
    i3d: I3D | None
    notes: list[str]  # what is left out, and why


@dataclass(frozen=True, kw_only=True)
class ProtocolOptions(DataOptions):
    """Which protocol, on which videos, with which networks."""

    protocol: Annotated[ProtocolName, typer.Argument()]
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder to write DIR/PROTOCOL in")]
    force: Annotated[
        bool, typer.Option("--force", help="replace earlier results in the folder")
    ] = False
    mode: Literal["reconstruction", "transfer", "both"] = "both"
    relative: Annotated[
        bool, typer.Option("--relative", help="use relative motion for the transfer")
    ] = False
    cut: Annotated[Cut, typer.Option(help="how to cut videos into clips")] = "consecutive"
    clips: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="use only N of the clips, evenly spread")
    ] = None
    synthesis: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="stage 1 checkpoint (default: the shipped one)"),
    ] = None
    predictors: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="folder of predictor checkpoints: <kind>_<seed>.pt and var.pt (default: the"
            " shipped ones)",
        ),
    ] = None
    initialisations: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="use only the first N initialisations of each kind"),
    ] = None
    samples: Annotated[
        int, typer.Option(help="number of VRNN samples to measure diversity with")
    ] = 20
    i3d: Annotated[
        Path | None, typer.Option(metavar="FILE", help="I3D network for FVD, in TorchScript")
    ] = None
    seed: Annotated[int, typer.Option(help="seed of sources, samples and intervals")] = 0
    threads: Annotated[int, typer.Option(min=1)] = 2


def run(options: ProtocolOptions, command: str) -> None:
    """Runs the experiment; raises Refusal for invalid input."""
    torch.set_num_threads(options.threads)
    folder = options.out / options.protocol
    with refusing(OSError, ValueError):
        check_replaceable(folder, options.force)
        prepared = prepare(options)
    for note in prepared.notes:
        print(note)
    with results_folder(folder, options.force) as unfinished:
        conduct(prepared, options, command, unfinished)
    print(f"results: {folder / 'README.md'}")


def prepare(options: ProtocolOptions) -> Prepared:
    """Loads networks and clips and forecasts; raises OSError or ValueError with an explanation."""
    protocol = PROTOCOLS[options.protocol]
    shipped = SHIPPED / protocol.checkpoints
    synthesis = options.synthesis or _shipped(shipped / "synthesis.pt", "--synthesis")
    predictors = options.predictors or _shipped(shipped, "--predictors")
    model = load_motion_transfer(synthesis)
    entrants = load_entrants(predictors, options.initialisations)
    reason = unavailable(options.i3d, protocol.frames)
    i3d = None if reason or options.i3d is None else I3D.load(options.i3d)
    cache = open_data(options, model.configuration.image_size)
    notes = [f"Left out, damaged: {name}." for name in cache.skipped]
    notes += _too_short(cache, protocol.frames)
    tracks = cached_tracks(synthesis, cache, options.cache)
    clips = cut_for(protocol, cache, tracks, options.cut, options.clips)
    modes: tuple[Mode, ...] = MODES if options.mode == "both" else (options.mode,)
    if "transfer" in modes and len(set(clips.videos)) < 2:
        if options.mode == "transfer":
            raise ExperimentError("transfer: needs clips of at least two videos")
        modes = ("reconstruction",)
        notes.append("Transfer is not reported: it needs clips of at least two videos.")
    if reason is None and len(clips) < 2:
        reason = "FVD not reported: it needs at least two clips"
    if reason is not None:
        notes.append(f"{reason}.")
        i3d = None
    elif len(clips) < FEW_CLIPS:
        notes.append(
            f"FVD of {len(clips)} clips: with fewer than {FEW_CLIPS} it is biased upwards."
        )
    if i3d is not None:
        i3d.features([clips.frames(0)])  # detects at once if the network is not I3D
    filled = forecast_all(entrants, clips.keypoints, protocol.mask())
    return Prepared(protocol, modes, model, synthesis, clips, entrants, filled, i3d, notes)


def cut_for(
    protocol: Protocol, cache: ClipCache, tracks: Tracks, cut: Cut, limit: int | None = None
) -> ProtocolClips:
    """Cuts videos and their keypoints into the protocol's clips, `limit` of them evenly spaced.

    Raises ValueError when no video is long enough.
    """
    windows = cut_clips(cache, protocol.frames, cut)
    if limit is not None and limit < len(windows):
        places = np.linspace(0, len(windows) - 1, limit).round().astype(int)
        windows = [windows[place] for place in places]
    return ProtocolClips(
        names=tuple(
            f"{cache.names[window.clip]}[{window.frames[0]}:{window.frames[-1] + 1}]"
            for window in windows
        ),
        videos=tuple(cache.names[window.clip] for window in windows),
        frames=lambda index: window_frames(cache, windows[index]),
        keypoints=window_tracks(tracks, windows),
    )


def conduct(prepared: Prepared, options: ProtocolOptions, command: str, folder: Path) -> None:
    """Runs a prepared experiment and writes everything into the folder."""
    protocol, clips, entrants = prepared.protocol, prepared.clips, prepared.entrants
    mask, filled = protocol.mask(), prepared.filled
    sections = [keypoint_section(entrants, filled, clips.keypoints, mask, clips.videos)]
    results: list[ModeResult] = []
    places = np.linspace(0, len(clips) - 1, min(EXAMPLES, len(clips))).round().astype(int)
    for mode in prepared.modes:
        result = run_mode(
            mode,
            protocol,
            prepared.model,
            clips,
            entrants,
            filled,
            i3d=prepared.i3d,
            examples={int(place): strip_frames(protocol) for place in places},
            relative=options.relative,
            seed=options.seed,
        )
        results.append(result)
        sections.append(image_section(result, mask, clips.videos))

    vrnns = load_vrnns(entrants)
    latents = latent_figures(vrnns, clips.keypoints, mask, options.samples, options.seed)
    pictures = _pictures(prepared) if vrnns else []
    lines = [line for section in sections for line in summarise(section, options.seed)]
    horizons = protocol.horizons()
    curves = [c for section in sections for c in per_frame(section, horizons, options.seed)]
    verdicts = [verdict for s in sections for verdict in verdicts_of(s, options.seed)]
    figures = draw_findings(folder, protocol, sections, curves, results, latents, pictures)

    findings = Findings(
        protocol=protocol,
        data=str(options.data),
        clips=clips.names,
        image_size=prepared.model.configuration.image_size,
        sections=sections,
        lines=lines,
        verdicts=verdicts,
        latents=latents,
        pictures=pictures,
        notes=prepared.notes,
        figures=figures,
        command=command,
    )
    (folder / "README.md").write_text(as_markdown(findings))
    write_records(folder / "summary.csv", Line, lines)
    write_records(folder / "per_frame.csv", FrameLine, curves)
    write_records(folder / "tests.csv", Verdict, verdicts)
    write_per_clip(folder / "per_clip.csv", sections, clips.names)
    write_per_initialisation(folder / "per_initialisation.csv", sections)
    content = as_json(findings, curves, results, entrants, prepared.synthesis, asdict(options))
    write_json(folder / "results.json", content)


def _pictures(prepared: Prepared) -> list[LatentPathPicture]:
    """Embeds the paths of four clips of different videos, for the first VRNN."""
    clips = prepared.clips
    first_of_video = sorted({clips.videos.index(video) for video in clips.videos})
    count = min(PATHS, len(first_of_video))
    places = np.linspace(0, len(first_of_video) - 1, count).round().astype(int)
    model = load_vrnns(prepared.entrants)[0][1]
    chosen = [first_of_video[place] for place in places]
    return [
        picture
        for clip in chosen
        for picture in latent_pictures(
            model, clips.names[clip], clips.keypoints[clip], clips.frames(clip)
        )
    ]


def _too_short(cache: ClipCache, frames: int) -> list[str]:
    short = [
        f"{name} ({length} frames)"
        for name, length in zip(cache.names, cache.lengths().tolist(), strict=True)
        if length < frames
    ]
    if len(short) == len(cache):
        raise ExperimentError(
            f"data: all videos are shorter than the {frames} frames that the protocol needs"
            f" (the longest has {cache.lengths().max()})"
        )
    return [f"Left out, shorter than {frames} frames: {', '.join(short)}."] if short else []


def _shipped(path: Path, option: str) -> Path:
    if not path.exists():
        raise ExperimentError(
            f"{path}: no such checkpoint; only a clone of the repository contains it (pass"
            f" yours with {option})"
        )
    return path


main = Program("motioncast paper", ProtocolOptions, run, __doc__)


if __name__ == "__main__":
    main()
