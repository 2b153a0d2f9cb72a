"""Draws all figures of an experiment into its folder."""

from collections.abc import Sequence
from pathlib import Path

from motioncast.paper import figures
from motioncast.paper.experiment import REFERENCES, ModeResult
from motioncast.paper.latents import LatentFigures, LatentPathPicture
from motioncast.paper.protocols import Protocol
from motioncast.paper.strips import draw_strip
from motioncast.paper.summary import FrameLine, Section

BOXED = ("vrnn", "rnn", "gru", "var", "hold")  # without linear, which would squeeze the others
CURVES = {
    "keypoints": ("forecast_error",),
    "reconstruction": ("mse", "ssim"),
    "transfer": ("mse", "ssim"),
}


def draw_findings(
    folder: Path,
    protocol: Protocol,
    sections: Sequence[Section],
    curves: Sequence[FrameLine],
    results: Sequence[ModeResult],
    latents: Sequence[LatentFigures],
    pictures: Sequence[LatentPathPicture],
) -> dict[str, list[str]]:
    """Draws the figures and returns their files, by the page heading they belong under."""
    files: dict[str, list[str]] = {}
    for section in sections:
        mode = section.mode
        chosen = [curve for curve in curves if curve.mode == mode]
        files[mode] = _boxes(folder / f"{mode}_boxes", section)
        measures = [name for name in CURVES[mode] if name in section.values]
        files[mode] += figures.error_per_frame(folder / f"{mode}_frames", chosen, measures)
        if mode == "keypoints" and protocol.predicted_frames > 1:
            path = folder / f"{mode}_horizons"
            files[mode] += figures.error_per_horizon(path, chosen, "forecast_error")
    for result in results:
        for number, example in enumerate(result.examples, start=1):
            path = folder / f"{result.mode}_example_{number}"
            files[result.mode] += draw_strip(path, example, protocol, result.mode)
    if latents:
        files["kl"] = figures.kl_per_dimension(folder / "latent_kl", latents)
    if pictures:
        files["latent"] = figures.latent_paths(folder / "latent_paths", pictures)
    return files


def _boxes(path: Path, section: Section) -> list[str]:
    known = section.kinds()
    unknown = [kind for kind in known if kind not in (*BOXED, *REFERENCES, "damped", "linear")]
    kinds = [kind for kind in (*BOXED, *unknown) if kind in known]
    measures = {
        "keypoints": ["forecast_error", "keypoint_motion_distance"],
        "reconstruction": ["mse", "fvd", "akd"],
        "transfer": ["mse", "fvd", "akd"],
    }[section.mode]
    present = [name for name in measures if name in section.values or name in section.singles]
    return figures.boxes(path, section, present, kinds)
