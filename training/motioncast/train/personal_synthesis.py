"""Fine-tunes detector and synthesis network on videos of one person, until it stops helping.

Every few steps the held-out tail of every video is reconstructed twice: from the video's first
frame, as when a stream begins, and from the tail's own. The best weights are kept, with the
original ones among the candidates, so the result is never worse there than the starting point.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from motioncast.data.augmentation import Augmentation
from motioncast.data.faces import FaceSampler
from motioncast.data.own_videos import OwnVideos
from motioncast.data.pairs import PairSampler, Pool
from motioncast.data.video_folder import Clip
from motioncast.models.checkpoint import save_motion_transfer
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.quality.pixels import ROUNDING_PSNR_DB, psnr
from motioncast.train.face_reconstruction import FaceTraining
from motioncast.train.journal import Journal, read_log
from motioncast.train.personal_faces import FACE_SETTINGS, own_faces
from motioncast.train.reconstruction import ReconstructionTraining
from motioncast.train.settings import FaceSettings, TrainingSettings

# Little augmentation: this person will reappear in this light and in front of this wall.
AUGMENTATION = Augmentation(flip_probability=0.0, zoom=0.1, colour=0.05, brightness=0.05)
JUDGED_FRAMES = 96  # over all tails, evenly spaced
FRAMES_PER_CALL = 8
FIGURE = "held_out_psnr_db"

SETTINGS = TrainingSettings(
    steps=1000,
    batch_size=8,
    warmup_steps=20,
    freeze_detector=1.0,  # it follows the face to the end
    learning_rate=3e-3,
    average_decay=0.98,
)


@dataclass(frozen=True, slots=True)
class Stopping:
    """How often the tails are evaluated, and after how many evaluations without gain to stop."""

    every_steps: int = 50
    patience: int = 5


DEFAULT_STOPPING = Stopping()


def default_settings(networks: MotionTransfer) -> TrainingSettings:
    """Returns the settings for fine-tuning networks of this kind."""
    return FACE_SETTINGS if networks.configuration.architecture == "face" else SETTINGS


class Tails:
    """The held-out tails, and how well networks reconstruct them."""

    def __init__(self, sources_and_tails: Sequence[tuple[Clip, Clip]]) -> None:
        """Takes the first frame (S, S, 3) and the tail (T, S, S, 3), T >= 2, of every video."""
        frames = max(2, JUDGED_FRAMES // len(sources_and_tails))
        self._videos = [
            (_images(first[None]), _images(_spread(tail, frames)))
            for first, tail in sources_and_tails
        ]

    def copied_psnr_db(self) -> float:
        """Returns the mean PSNR of showing the source in place of every frame."""
        return self._mean(lambda source, frames: source.expand_as(frames))

    @torch.inference_mode()
    def psnr_db(self, networks: MotionTransfer) -> float:
        """Returns the mean PSNR of the tails' frames, each reconstructed from both sources."""

        def rebuild(source: Tensor, frames: Tensor) -> Tensor:
            at_source = networks.detect(source)
            made = []
            for part in torch.split(frames, FRAMES_PER_CALL):
                found = networks.detect(part).unsqueeze(0)
                driving = networks.register(source, at_source, part, found)
                made.append(networks.synthesise(source, at_source, driving)[0])
            return torch.cat(made)

        return self._mean(rebuild)

    def _mean(self, rebuild: Callable[[Tensor, Tensor], Tensor]) -> float:
        values = []
        for first, tail in self._videos:
            for source in (first, tail[:1]):
                frames = (rebuild(source, tail[1:]).clamp(0, 1) * 255).round() / 255
                quality = psnr(frames.double().numpy(), tail[1:].double().numpy())
                values.append(np.minimum(quality, ROUNDING_PSNR_DB).mean())
        return float(np.mean(values))


def fine_tune(
    start: MotionTransfer,
    videos: OwnVideos,
    tails: Tails,
    out: Path,
    settings: TrainingSettings = SETTINGS,
    stopping: Stopping = DEFAULT_STOPPING,
) -> list[float]:
    """Trains from `start`, or continues an interrupted training in `out`.

    The settings are those of `default_settings`, or variations of them. Leaves the best
    networks in `out`/model.pt and returns the PSNR of the tails at every evaluation, beginning with
    that of `start`.
    """
    training, sampler = _begun(start, videos, out, settings)
    checkpoint = out / "training.pt"
    if checkpoint.is_file():
        training.resume(checkpoint)
    with (
        Journal(out, training.step) as journal,
        tqdm(
            desc="synthesis",
            unit="step",
            initial=training.step,
            total=settings.steps,
            mininterval=10,
        ) as bar,
    ):
        seen = [entry[FIGURE] for entry in read_log(journal.path)]
        if not seen:
            seen.append(_look(training, tails, journal))
            save_motion_transfer(training.average, out / "model.pt")
        while training.progress() < 1 and len(seen) - 1 - _best(seen) < stopping.patience:
            training.learn(sampler.batch(training.step))  # type: ignore[arg-type]
            bar.update()
            if training.step % stopping.every_steps and training.progress() < 1:
                continue
            seen.append(_look(training, tails, journal))
            if _best(seen) == len(seen) - 1:
                save_motion_transfer(training.average, out / "model.pt")
            training.save(checkpoint)
            bar.set_postfix(held_out=f"{seen[-1]:.2f} dB", before=f"{seen[0]:.2f} dB")
    return seen


def _begun(
    start: MotionTransfer, videos: OwnVideos, out: Path, settings: TrainingSettings
) -> tuple[ReconstructionTraining, PairSampler | FaceSampler]:
    """Returns the training for networks of this kind, and the sampler that feeds it."""
    start.requires_grad_(True)
    if isinstance(settings, FaceSettings):
        return FaceTraining(start, settings), own_faces(start, videos, out / "faces", settings)
    pool = Pool(videos.parts, videos.learned)
    sampler = PairSampler([pool], settings.batch_size, settings.seed, AUGMENTATION)
    return ReconstructionTraining(start, settings), sampler


def _look(training: ReconstructionTraining, tails: Tails, journal: Journal) -> float:
    psnr_db = tails.psnr_db(training.average)
    minutes = round(training.seconds / 60, 2)
    journal.figures(
        training.step,
        {"minutes": minutes, "learning_rate": training.learning_rate(), FIGURE: psnr_db},
        {f"validation/{FIGURE}": psnr_db},
    )
    return psnr_db


def _best(seen: Sequence[float]) -> int:
    return max(range(len(seen)), key=seen.__getitem__)


def _spread(clip: Clip, count: int) -> Clip:
    """Returns `count` frames spread evenly over the clip, or all if it has fewer."""
    chosen = np.linspace(0, len(clip) - 1, min(count, len(clip))).round().astype(int)
    return np.asarray(clip[chosen])


def _images(frames: Clip) -> Tensor:
    """Maps frames (T, S, S, 3) to (T, 3, S, S) in [0, 1]."""
    return torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 255
