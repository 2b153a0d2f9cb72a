"""The three networks of a configuration behind one interface, wherever they run.

    detect     frames -> keypoints
    register   keypoints of frames -> the same, corrected against a source
    fill       keypoints with gaps -> keypoints without
    draw       source, keypoints -> frames

A checkpoint runs in PyTorch. A model repository runs in the engine of the services, as they run it:
the same files, the mean path, forecasts clamped to the range of keypoints, 8-bit frames.

Shapes: T frames, S pixels, K keypoints (x, y, intensity).
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol, Self

import numpy as np
import torch
import typer
from torch import Tensor

from motioncast.evaluate.canvas import FRAMES_PER_CALL, Canvas, Frames, as_images
from motioncast.inference import Catalogue, OnnxRuntimeEngine, OnnxRuntimeSettings
from motioncast.inference.repository import default_repository, find_models
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.predictors.checkpoint import load_forecaster
from motioncast.models.predictors.coordinates import clamp_keypoints
from motioncast.models.predictors.gap_filling import fill
from motioncast.models.source_weights import source_weights


class Pipeline(Protocol):
    """Detector, predictor and synthesis of one configuration."""

    name: str  # for tables
    size: int  # S
    files: tuple[Path, ...]  # that the networks were loaded from
    forecasts: bool  # whether there is a predictor
    anchored_keypoints: int  # how many of the first keypoints are the same points on every face

    @property
    def source_weights(self) -> Sequence[float]:
        """Keypoint weights for choosing a source; empty when all are equal."""

    def detect(self, frames: Frames) -> Tensor:
        """Returns the keypoints (T, K, 3) of frames (T, S, S, 3)."""

    def register(
        self, source: Frames, source_keypoints: Tensor, frames: Frames, found: Tensor
    ) -> Tensor:
        """Returns the keypoints (T, K, 3) of frames, corrected against a source (S, S, 3).

        They are `found`, those found in each frame alone, if the networks do not register.
        """

    def fill(self, keypoints: Tensor, observed: Tensor) -> Tensor:
        """Forecasts the unobserved frames (T,) of keypoints (T, K, 3); the first is observed."""

    def draw(self, source: Frames, source_keypoints: Tensor, driving: Tensor) -> Frames:
        """Returns the frames (T, S, S, 3) of a source (S, S, 3) moved to keypoints (T, K, 3)."""


class CheckpointPipeline:
    """Networks from checkpoints, in PyTorch; nothing is forecast without a predictor.

    Raises FileNotFoundError, CheckpointError or PredictorCheckpointError, with an explanation.
    """

    def __init__(self, synthesis: Path, predictor: Path | None = None) -> None:
        self.name = synthesis.stem
        self.files: tuple[Path, ...] = (synthesis,) if predictor is None else (synthesis, predictor)
        self.forecasts = predictor is not None
        self._model = load_motion_transfer(synthesis)
        self._predictor = None if predictor is None else load_forecaster(predictor)
        self.size = self._model.configuration.image_size
        self.source_weights = source_weights(self._model.configuration)
        self.anchored_keypoints = self._model.configuration.anchored_keypoints

    @torch.inference_mode()
    def detect(self, frames: Frames) -> Tensor:
        parts = _parts(frames)
        return torch.cat([self._model.detect(as_images(part)) for part in parts]).clone()

    @torch.inference_mode()
    def register(
        self, source: Frames, source_keypoints: Tensor, frames: Frames, found: Tensor
    ) -> Tensor:
        image, at_source = as_images(source[None]), source_keypoints[None]
        pairs = zip(_parts(frames), torch.split(found, FRAMES_PER_CALL), strict=True)
        parts = [
            self._model.register(image, at_source, as_images(part), points[None])[0]
            for part, points in pairs
        ]
        return torch.cat(parts).clone()

    @torch.inference_mode()
    def fill(self, keypoints: Tensor, observed: Tensor) -> Tensor:
        if self._predictor is None:
            raise ValueError(f"predictor: {self.name} has no predictor")
        hidden = torch.where(observed[:, None, None], keypoints, torch.nan)
        return self._predictor(hidden[None], observed)[0]

    def draw(self, source: Frames, source_keypoints: Tensor, driving: Tensor) -> Frames:
        return Canvas(self._model, source, source_keypoints).draw(driving)


class RepositoryPipeline:
    """Models of a repository, run in ONNX Runtime while inside the `with` block.

    Raises InvalidInputError or UnknownModelError on entering when models are missing or not
    as expected.
    """

    forecasts = True

    def __init__(self, repository: Path, model: str = "", threads: int = 2) -> None:
        """Takes the configuration `model`, by default the one that the services use."""
        self._repository = repository
        self._engine = OnnxRuntimeEngine(repository, OnnxRuntimeSettings(intra_op_threads=threads))
        self._model = model
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self._loop = exits.enter_context(asyncio.Runner())
            self._loop.run(self._engine.__aenter__())
            exits.callback(lambda: self._loop.run(self._engine.__aexit__(None, None, None)))
            self._models = Catalogue(self._engine).resolve(self._model)
            self._exits = exits.pop_all()
        found = find_models(self._repository)
        models = self._models
        names = [models.keypoint_model, models.predictor_model, models.synthesis_model]
        if models.registration_model is not None:
            names.append(models.registration_model)
        self.files = tuple(found[name] for name in names)
        self.name, self.size = models.name, models.height
        self.source_weights = models.source_weights
        self.anchored_keypoints = models.anchored_keypoints
        return self

    def __exit__(self, *exception: object) -> None:
        self._exits.close()

    def detect(self, frames: Frames) -> Tensor:
        parts = [
            self._run(self._models.keypoint_model, "keypoints", image=part)
            for part in _parts(frames)
        ]
        return torch.from_numpy(np.concatenate(parts))

    def register(
        self, source: Frames, source_keypoints: Tensor, frames: Frames, found: Tensor
    ) -> Tensor:
        model = self._models.registration_model
        if model is None:
            return found
        parts = [
            self._run(
                model,
                "registered",
                source_image=source[None],
                source_keypoints=source_keypoints[None].numpy(),
                image=part,
                keypoints=points.numpy(),
            )
            for part, points in zip(
                _parts(frames), torch.split(found, FRAMES_PER_CALL), strict=True
            )
        ]
        return torch.from_numpy(np.concatenate(parts))

    def fill(self, keypoints: Tensor, observed: Tensor) -> Tensor:
        frames, models = len(keypoints), self._models
        hidden = torch.where(observed[:, None, None], keypoints, 0.0)
        forecast = self._run(
            models.predictor_model,
            "forecast",
            keypoints=hidden[None].numpy(),
            observed=observed[None].float().numpy(),
            noise=np.zeros((1, frames, models.noise_size), np.float32),
            state=np.zeros((1, models.state), np.float32),
        )
        return fill(keypoints, observed, clamp_keypoints(torch.from_numpy(forecast[0])))

    def draw(self, source: Frames, source_keypoints: Tensor, driving: Tensor) -> Frames:
        parts = [
            self._run(
                self._models.synthesis_model,
                "image",
                source_image=source[None],
                source_keypoints=source_keypoints[None].numpy(),
                driving_keypoints=part[None].numpy(),
            )[0]
            for part in torch.split(driving, FRAMES_PER_CALL)
        ]
        return np.concatenate(parts)

    def _run(self, model: str, output: str, **inputs: np.ndarray) -> np.ndarray:
        return self._loop.run(self._engine.infer(model, inputs))[output]


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """Which networks to evaluate: the shipped models, as served, by default."""

    models: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="model repository; may be repeated")
    ] = None
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="configuration in the repository; may be repeated"),
    ] = None
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="stage 1 checkpoint (synthesis); may be repeated"),
    ] = None
    predictor: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="stage 2 checkpoint (predictor) to use with each --checkpoint"
        ),
    ] = None
    threads: int = 2


@contextmanager
def open_pipelines(options: PipelineOptions) -> Iterator[Sequence[Pipeline]]:
    """Opens the networks selected by the options, all of one image size.

    Equal names are distinguished by their folders.

    Raises ValueError, OSError or a DomainError, with an explanation, when a network cannot be read,
    or --model or --predictor lacks the option it belongs to.
    """
    if options.predictor is not None and not options.checkpoint:
        raise ValueError("--predictor: can only be used with --checkpoint")
    torch.set_num_threads(options.threads)
    with ExitStack() as exits:
        pipelines: list[Pipeline] = []
        repositories = options.models or []
        if not repositories and (options.model or not options.checkpoint):
            repositories = [default_repository()]
        for repository in repositories:
            for model in options.model or [""]:
                opened = RepositoryPipeline(repository, model, options.threads)
                pipelines.append(exits.enter_context(opened))
                if len(repositories) > 1:
                    opened.name = f"{repository.name}/{opened.name}"
        for checkpoint in options.checkpoint or []:
            pipelines.append(CheckpointPipeline(checkpoint, options.predictor))
        _check(pipelines)
        yield pipelines


def sent_keypoints(pipeline: Pipeline, clip: Frames) -> Tensor:
    """Returns the keypoints (T, K, 3) that a sender of a clip sends, its first frame the source."""
    found = pipeline.detect(clip)
    if len(clip) == 1:
        return found
    return torch.cat([found[:1], pipeline.register(clip[0], found[0], clip[1:], found[1:])])


def _check(pipelines: Sequence[Pipeline]) -> None:
    names = [pipeline.name for pipeline in pipelines]
    for pipeline in pipelines:
        if names.count(pipeline.name) > 1:
            pipeline.name = f"{pipeline.files[0].parent}/{pipeline.name}"
    sizes = sorted({pipeline.size for pipeline in pipelines})
    if len(sizes) > 1:
        raise ValueError(f"networks: image sizes {sizes} cannot be compared in one run")


def _parts(frames: Frames) -> list[Frames]:
    return [
        frames[start : start + FRAMES_PER_CALL] for start in range(0, len(frames), FRAMES_PER_CALL)
    ]
