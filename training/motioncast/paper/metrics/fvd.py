"""Frechet video distance (Unterthiner et al. 2018), only with the real I3D network.

The network is the TorchScript file `i3d_torchscript.pt` of StyleGAN-V (Skorokhodov et al. 2022), a
port of the I3D of Kinetics-400 on TensorFlow Hub that the original FVD uses. Its conventions:

    i3d(videos, rescale=True, resize=True, return_features=True) -> (B, 400), before the softmax
    videos (B, 3, T, H, W) in [0, 255]; rescale maps them to [-1, 1], resize scales to 224x224

as in `src/metrics/frechet_video_distance.py` of github.com/universome/stylegan-v; the rescaling is
as its author states in issue 4 of github.com/universome/fvd-comparison, where 16-frame features
agree with TensorFlow's. Clips shorter than 10 frames leave the network's last pooling nothing to
pool (github.com/JunyaoHu/common_metrics_on_video_quality rejects them as well).

Without the file there is no FVD: the result then contains the reason instead of a value.

Shapes: N clips, T frames, S x S pixels, F = 400 features.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from motioncast.paper.metrics.frechet import frechet_distance_of_samples

FEATURES = 400  # the classes of Kinetics-400
MINIMUM_FRAMES = 10
FEW_CLIPS = 256  # below this the bias dominates FVD (Unterthiner et al. use 256 and more)

Videos = npt.NDArray[np.uint8]  # (N, T, S, S, 3)
Features = npt.NDArray[np.float64]  # (N, F)


class FvdError(ValueError):
    """Raised when the named file is not an I3D network; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Fvd:
    """A Frechet video distance, or the reason why there is none."""

    value: float | None
    reason: str | None = None  # why value is None
    warning: str | None = None  # what limits the value
    clips: tuple[int, int] = (0, 0)  # real, generated


@dataclass(frozen=True, slots=True)
class I3D:
    """The network of one TorchScript file."""

    path: Path
    network: torch.jit.ScriptModule
    device: torch.device

    @classmethod
    def load(cls, path: Path, device: torch.device | None = None) -> "I3D":
        """Reads the file; raises FileNotFoundError if missing, FvdError if it is not TorchScript.

        Uses a GPU if there is one, unless `device` is given.
        """
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
        device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            with warnings.catch_warnings():
                # The network that everybody compares with exists in this format only.
                warnings.simplefilter("ignore", DeprecationWarning)
                network = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            first_line = str(error).strip().splitlines()[0]
            raise FvdError(f"{path}: cannot be read as TorchScript ({first_line})") from error
        return cls(path, network.eval(), device)

    @torch.inference_mode()
    def features(self, videos: Iterable[Videos], total: int | None = None) -> Features:
        """Returns the features (N, F) of clips (T, S, S, 3) of bytes, one call per clip.

        Raises ValueError for clips that are too short, FvdError when the network does not respond
        as I3D does. Shows a progress bar.
        """
        found = []
        for clip in tqdm(videos, desc="I3D", unit="clip", total=total, leave=False):
            _check_clip(clip)
            video = torch.from_numpy(np.array(clip)).permute(3, 0, 1, 2)[None]  # (1, 3, T, S, S)
            found.append(self._call(video.float().to(self.device)).double().cpu().numpy())
        if not found:
            raise ValueError("videos: none given")
        return np.concatenate(found)

    def _call(self, videos: torch.Tensor) -> torch.Tensor:
        try:
            output = self.network(videos, rescale=True, resize=True, return_features=True)
        except RuntimeError as error:
            last_line = str(error).strip().splitlines()[-1]
            raise FvdError(f"{self.path}: does not run as an I3D network ({last_line})") from error
        if not isinstance(output, torch.Tensor) or output.shape != (len(videos), FEATURES):
            got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise FvdError(f"{self.path}: returns {got} (expected ({len(videos)}, {FEATURES}))")
        return output


def fvd(real: Videos, generated: Videos, network: Path | None) -> Fvd:
    """Returns the FVD of two sets of clips (N, T, S, S, 3) and (M, T, S, S, 3) of bytes.

    Without the network's file, with clips too short for it or with fewer than two clips the value
    is None, with the reason. Raises FvdError when the file exists but is not an I3D network.
    """
    clips = (len(real), len(generated))
    reason = unavailable(network, frames=min(real.shape[1], generated.shape[1]))
    if reason is not None or network is None:
        return Fvd(None, reason, clips=clips)
    if real.shape[1] != generated.shape[1]:
        raise ValueError(
            f"videos: have {real.shape[1]} and {generated.shape[1]} frames (expected the"
            " same number)"
        )
    i3d = I3D.load(network)
    return fvd_of_features(i3d.features(real), i3d.features(generated))


def unavailable(network: Path | None, frames: int) -> str | None:
    """Returns why FVD of clips of this length cannot be reported, None when it can."""
    if network is None:
        return "FVD not reported: no I3D network was named"
    if not network.is_file():
        return f"FVD not reported: {network} does not exist"
    if frames < MINIMUM_FRAMES:
        return (
            f"FVD not reported: clips have {frames} frames, and I3D needs at least {MINIMUM_FRAMES}"
        )
    return None


def fvd_of_features(real: Features, generated: Features) -> Fvd:
    """Returns the FVD of features (N, F) and (M, F) from `I3D.features`."""
    clips = (len(real), len(generated))
    if min(clips) < 2:
        return Fvd(None, "FVD not reported: fewer than two clips", clips=clips)
    few = (
        f"the estimate from {min(clips)} clips is biased upwards (at least {FEW_CLIPS} are needed)"
    )
    return Fvd(
        value=frechet_distance_of_samples(real, generated),
        warning=few if min(clips) < FEW_CLIPS else None,
        clips=clips,
    )


def _check_clip(clip: Videos) -> None:
    if clip.ndim != 4 or clip.shape[3] != 3 or clip.dtype != np.uint8:
        raise ValueError(
            f"videos: a clip has shape {clip.shape} and type {clip.dtype} (expected"
            " (T, S, S, 3) and uint8)"
        )
    if len(clip) < MINIMUM_FRAMES:
        raise ValueError(
            f"videos: a clip has {len(clip)} frames (I3D needs at least {MINIMUM_FRAMES})"
        )
