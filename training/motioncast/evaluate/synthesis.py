"""Reconstruction quality on held-out clips: every frame from the first frame and its own keypoints.

    python -m motioncast.evaluate.synthesis --data videos/test

Beside each figure stands that of copying the source, the baseline that needs no network.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from motioncast.data.video_folder import Clip, VideoFolder, read_clip
from motioncast.evaluate.metrics.mouth import mouth_box
from motioncast.evaluate.metrics.pixels import psnr, ssim
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.motion_transfer import MotionTransfer

FRAMES_PER_CALL = 16


@dataclass(frozen=True, slots=True)
class ClipQuality:
    """Means over the reconstructed frames of one clip; `copy_` is the copied source image."""

    name: str
    frames: int
    psnr_db: float
    copy_psnr_db: float
    ssim: float
    copy_ssim: float
    mouth_psnr_db: float
    copy_mouth_psnr_db: float


@torch.inference_mode()
def reconstruct(model: MotionTransfer, frames: Tensor) -> Tensor:
    """Returns frames (T, 3, S, S) in [0, 1] synthesised from frame 0 and the keypoints of each.

    They are rounded to 8 bits, as a viewer would get them.
    """
    source = frames[:1]
    parts = []
    keypoints = torch.cat([model.detect(part) for part in torch.split(frames, FRAMES_PER_CALL)])
    for driving in torch.split(keypoints, FRAMES_PER_CALL):
        parts.append(model.synthesise(source, keypoints[:1], driving.unsqueeze(0))[0])
    return (torch.cat(parts).clamp(0, 1) * 255).round() / 255


def evaluate_clip(model: MotionTransfer, name: str, clip: Clip) -> tuple[ClipQuality, Tensor]:
    """Returns the quality of one clip without its first frame, and all reconstructed frames."""
    frames = torch.from_numpy(clip).permute(0, 3, 1, 2).float() / 255
    output = reconstruct(model, frames)
    true, made, copied = frames[1:], output[1:], frames[:1].expand_as(frames[1:])
    mouth = mouth_box(frames)
    quality = ClipQuality(
        name=name,
        frames=len(true),
        psnr_db=_mean(psnr(made, true)),
        copy_psnr_db=_mean(psnr(copied, true)),
        ssim=_mean(ssim(made, true)),
        copy_ssim=_mean(ssim(copied, true)),
        mouth_psnr_db=_mean(psnr(mouth.crop(made), mouth.crop(true))),
        copy_mouth_psnr_db=_mean(psnr(mouth.crop(copied), mouth.crop(true))),
    )
    return quality, output


def summary(qualities: Iterable[ClipQuality]) -> dict[str, float]:
    """Returns the mean of every figure over the clips, each clip weighing the same."""
    rows = [asdict(quality) for quality in qualities]
    figures = [name for name in rows[0] if name not in ("name", "frames")]
    means = {name: float(np.mean([row[name] for row in rows])) for name in figures}
    return {"clips": len(rows), **means}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line, evaluates and prints."""
    parser = argparse.ArgumentParser(description="Reconstruction PSNR and SSIM on held-out clips.")
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("training/checkpoints/lite128_synthesis.pt")
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with one video per clip")
    parser.add_argument("--clips", type=int, default=12, help="evenly spread over the folder")
    parser.add_argument("--all", action="store_true", help="every clip of the folder")
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args(arguments)

    model = load_motion_transfer(options.checkpoint)
    paths = VideoFolder(options.data).paths()
    if not options.all:
        chosen = np.linspace(0, len(paths) - 1, min(options.clips, len(paths))).round().astype(int)
        paths = [paths[index] for index in chosen]
    qualities = []
    for path in tqdm(paths, desc="evaluating", unit="clip"):
        clip = read_clip(path, model.configuration.image_size)
        qualities.append(evaluate_clip(model, path.name, clip)[0])
    means = summary(qualities)
    print(f"{means['clips']} clips of {options.data}")
    print("              PSNR dB    SSIM   mouth PSNR dB")
    for label, prefix in (("synthesised  ", ""), ("copied source", "copy_")):
        figures = (means[prefix + name] for name in ("psnr_db", "ssim", "mouth_psnr_db"))
        print("{}  {:6.2f}  {:6.4f}    {:6.2f}".format(label, *figures))
    if options.json:
        report = {"mean": means, "clips": [asdict(quality) for quality in qualities]}
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def _mean(values: Tensor) -> float:
    return float(values.mean())


if __name__ == "__main__":
    main()
