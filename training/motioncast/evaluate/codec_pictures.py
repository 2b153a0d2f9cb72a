"""Measures the picture quality lost by quantising keypoints.

    motioncast evaluate codec-pictures --data videos/validation --model face256
    python -m motioncast.evaluate.codec_pictures (the same)

The networks, as served, detect and draw each clip from its first frame: once with the
keypoints as detected, and once for every coarseness with those that a receiver decodes, with every
frame sent against the one before.

Shapes: T frames, S pixels, K keypoints.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from tqdm import tqdm

from motioncast.codec import (
    CodecTables,
    FrameReference,
    KeypointEncoder,
    SourceReference,
    TablesError,
    read_tables,
)
from motioncast.codec.tables_file import FILE_NAME
from motioncast.data.arguments import open_data
from motioncast.data.command_line import Program, refusing
from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.codec import PIXELS_PER_UNIT
from motioncast.evaluate.markdown import table
from motioncast.evaluate.pipelines import Pipeline, open_pipelines, sent_keypoints
from motioncast.evaluate.quality_results import QualityOptions, chosen_clips, whole_file
from motioncast.evaluate.results import write_json
from motioncast.quality.pixels import image_psnr, image_ssim
from motioncast.wire.errors import DomainError


@dataclass(frozen=True, slots=True)
class PictureCost:
    """Means over the frames of one clip except the first."""

    networks: str
    clip: str
    coarseness: int
    error_pixels: float  # of keypoints at 256
    bits: float  # per frame
    psnr_db: float
    loss_db: float  # compared with the keypoints as detected
    ssim: float
    ssim_loss: float


def decoded_keypoints(
    tables: CodecTables, keypoints: npt.NDArray[np.float32], coarseness: int
) -> tuple[npt.NDArray[np.float32], float]:
    """Returns keypoints (T, K, 3) as received, the first frame unchanged, and their bits."""
    encoder = KeypointEncoder(tables)
    encoder.set_source(0, keypoints[0])
    decoded, bits = [keypoints[:1]], 0.0
    for index in range(1, len(keypoints)):
        reference = FrameReference(index - 1) if index > 1 else SourceReference(0)
        packet = encoder.encode([(index, keypoints[index])], reference, coarseness)
        decoded.append(packet.keypoints)
        bits += packet.information_bits
    return np.concatenate(decoded), bits / (len(keypoints) - 1)


def compare(
    pipeline: Pipeline, tables: CodecTables, name: str, clip: Frames, coarseness: Sequence[int]
) -> list[PictureCost]:
    """Returns the cost of each coarseness for a clip (T, S, S, 3)."""
    found = sent_keypoints(pipeline, clip)

    def quality(keypoints: npt.NDArray[np.float32]) -> tuple[float, float]:
        drawn = pipeline.draw(clip[0], found[0], torch.from_numpy(keypoints[1:]))
        pairs = list(zip(drawn, clip[1:], strict=True))
        return fmean(image_psnr(*pair) for pair in pairs), fmean(image_ssim(*p) for p in pairs)

    exact = found.numpy()
    psnr, ssim = quality(exact)
    costs = []
    for one in coarseness:
        decoded, bits = decoded_keypoints(tables, exact, one)
        away = (decoded - exact)[1:, :, :2] * PIXELS_PER_UNIT
        coded_psnr, coded_ssim = quality(decoded)
        costs.append(
            PictureCost(
                networks=pipeline.name,
                clip=name,
                coarseness=one,
                error_pixels=float(np.hypot(away[..., 0], away[..., 1]).mean()),
                bits=bits,
                psnr_db=coded_psnr,
                loss_db=psnr - coded_psnr,
                ssim=coded_ssim,
                ssim_loss=ssim - coded_ssim,
            )
        )
    return costs


@dataclass(frozen=True, kw_only=True)
class CodecPictureOptions(QualityOptions):
    """What is quantised, and how coarsely."""

    tables: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="codec tables (default: those next to the detector)"),
    ] = None
    frames: Annotated[
        int | None, typer.Option(metavar="T", help="maximum number of frames of each clip")
    ] = None
    coarseness: Annotated[
        list[int], typer.Option(metavar="C", help="coarseness to measure, 0 to 7; may be repeated")
    ] = field(default_factory=lambda: [1, 2, 3, 4])


def run(options: CodecPictureOptions, command: str) -> None:
    """Evaluates and prints; raises Refusal for invalid input."""
    found: list[PictureCost] = []
    with refusing(DomainError, TablesError, OSError, ValueError), open_pipelines(options) as opened:
        clips = open_data(options, opened[0].size)
        for pipeline in opened:
            tables = read_tables(_tables_file(options, pipeline))
            for clip in tqdm(chosen_clips(clips, None if options.all else options.clips)):
                name = clips.names[clip]
                frames = np.array(clips.clip(clip)[: options.frames])
                found += compare(pipeline, tables, name, frames, options.coarseness)
    if options.json is not None:
        with whole_file(options.json) as unfinished:
            write_json(unfinished, {"command": command, "clips": [asdict(one) for one in found]})
    print(as_page(found, command))


def as_page(found: Sequence[PictureCost], command: str) -> str:
    """Returns the evaluation's page (Markdown): means over clips."""
    head = ["networks", "coarseness", "error px", "bits", "PSNR dB", "loss", "SSIM", "loss"]
    lines = []
    for networks, coarseness in dict.fromkeys((one.networks, one.coarseness) for one in found):
        rows = [o for o in found if (o.networks, o.coarseness) == (networks, coarseness)]
        lines.append(
            [
                networks,
                str(coarseness),
                f"{fmean(row.error_pixels for row in rows):.3f}",
                f"{fmean(row.bits for row in rows):.1f}",
                f"{fmean(row.psnr_db for row in rows):.2f}",
                f"{fmean(row.loss_db for row in rows):.3f}",
                f"{fmean(row.ssim for row in rows):.4f}",
                f"{fmean(row.ssim_loss for row in rows):.5f}",
            ]
        )
    clips = len({one.clip for one in found})
    said = f"{clips} clips; losses are relative to the keypoints as detected."
    page = ["# The keypoint codec in the picture", said, f"```\n{command}\n```", table(head, lines)]
    return "\n\n".join(page)


def _tables_file(options: CodecPictureOptions, pipeline: Pipeline) -> Path:
    """Returns the tables given as an option, else those next to the pipeline's detector."""
    chosen = options.tables
    return chosen if chosen is not None else pipeline.files[0].parents[1] / FILE_NAME


main = Program("motioncast evaluate codec-pictures", CodecPictureOptions, run, __doc__)


if __name__ == "__main__":
    main()
