"""What several sources win on held-out clips, whose frames are chosen as the services choose.

    motioncast evaluate sources --data videos/test --all
    python -m motioncast.evaluate.sources_command (the same)

Several networks are compared on the same clips: repeat --model, --models or --checkpoint.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence

from tqdm import tqdm

from motioncast.data.arguments import open_data
from motioncast.evaluate.markdown import table
from motioncast.evaluate.pipelines import open_pipelines
from motioncast.evaluate.quality_results import (
    QualityResults,
    add_quality_arguments,
    chosen_clips,
    digests,
)
from motioncast.evaluate.reconstruction import Original
from motioncast.evaluate.results import check_replaceable
from motioncast.evaluate.sentences import first_line
from motioncast.evaluate.several_sources import (
    ClipSources,
    SeveralSources,
    compare_sources,
    summaries,
)
from motioncast.sources import MAX_SOURCES, ChoiceSettings, GatherSettings
from motioncast.wire.errors import DomainError

_CHOICE, _GATHER = ChoiceSettings(), GatherSettings()


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluates and prints; what is wrong with the input is one sentence and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    options = parser.parse_args(arguments)
    command = shlex.join(["motioncast", "evaluate", "sources", *arguments])
    try:
        if options.out is not None:
            check_replaceable(options.out / "sources", options.force)
        gathering = GatherSettings(options.sources, options.threshold, options.apart)
        choice = ChoiceSettings(options.motion_penalty, options.margin, options.rest)
        found: list[ClipSources] = []
        with open_pipelines(options) as pipelines:
            clips = open_data(options, pipelines[0].size)
            chosen = chosen_clips(clips, None if options.all else options.clips)
            for clip in tqdm(chosen, desc="evaluating", unit="clip"):
                original = Original(clips.names[clip], clips.clip(clip))
                for pipeline in pipelines:
                    found += compare_sources(pipeline, original, gathering, choice)
            networks = digests(pipelines)
    except (DomainError, OSError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {first_line(error)}\n")

    rows = summaries(found)
    page = as_page(rows, str(options.data), command)
    QualityResults(command, page, networks, rows, found).write(options, "sources")
    print(page)


def as_page(rows: Sequence[SeveralSources], data: str, command: str) -> str:
    """Writes the page of the evaluation (Markdown)."""
    head = ["networks", "sources", "images", "changes per 100 frames", "PSNR dB", "gain"]
    head += ["mouth PSNR dB", "gain", "SSIM", "gain"]
    lines = [
        [
            row.networks,
            row.sources,
            f"{row.images:.2f}",
            f"{row.changes:.1f}",
            f"{row.psnr_db:.2f}",
            f"{row.gain_db:+.2f}",
            f"{row.mouth_psnr_db:.2f}",
            f"{row.mouth_gain_db:+.2f}",
            f"{row.ssim:.4f}",
            f"{row.ssim_gain:+.4f}",
        ]
        for row in rows
    ]
    return "\n\n".join(
        [
            "# Several sources",
            f"{rows[0].clips} clips of {data}, every keypoint sent; frames that are no source."
            " A gain is over the first frame alone. *Gathered*: further sources from the clip's"
            " past only, chosen as the services choose. *Hindsight*: of those, the one whose frame"
            " comes out best. *Spread*: as many frames of the whole clip, known from its start.",
            f"```\n{command}\n```",
            table(head, lines),
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="motioncast evaluate sources",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_quality_arguments(parser)
    group = parser.add_argument_group("sources and choice (motioncast.sources says what they mean)")
    group.add_argument(
        "--sources", type=int, default=MAX_SOURCES, metavar="N", help=f"at most ({MAX_SOURCES})"
    )
    group.add_argument(
        "--threshold",
        type=float,
        default=_GATHER.threshold,
        help=f"cost above which a frame becomes a source ({_GATHER.threshold})",
    )
    group.add_argument(
        "--apart",
        type=int,
        default=_GATHER.rest_frames,
        metavar="N",
        help=f"frames between two of them ({_GATHER.rest_frames})",
    )
    for name, value, what in (
        ("--motion-penalty", _CHOICE.motion_penalty, "of motion as a whole"),
        ("--margin", _CHOICE.margin, "that another source is cheaper by"),
    ):
        group.add_argument(name, type=float, default=value, help=f"{what} ({value})")
    group.add_argument(
        "--rest",
        type=int,
        default=_CHOICE.rest_frames,
        metavar="N",
        help=f"frames that a source is used for at least ({_CHOICE.rest_frames})",
    )
    return parser


if __name__ == "__main__":
    main()
