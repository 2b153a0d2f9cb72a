"""The work of a stream on this side: detects keypoints, frames pictures, checks results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from motioncast.cli.cast import Framing
from motioncast.cli.detecting import Detector
from motioncast.cli.failures import CommandError
from motioncast.cli.job import StreamJob
from motioncast.cli.motion import Watcher
from motioncast.client import FramingMode, MediaError, MissingExtraError, Model
from motioncast.framing import FINDER
from motioncast.quality.expression import shows_expression
from motioncast.wire.errors import DomainError


@dataclass(frozen=True, slots=True)
class Device:
    """A keypoint detector here, and a function that returns a framing for a frame rate."""

    detector: Detector | None
    framing: Callable[[float], Framing | None]


def device_of(job: StreamJob, model: Model, mode: FramingMode) -> Device:
    """Opens the models that a sender of keypoints needs on this side; none for a sender of frames.

    Raises:
        CommandError, DomainError, MediaError, MissingExtraError: The models, or the libraries that
            run them, are missing.
    """
    if job.send != "keypoints":
        return Device(None, lambda frame_rate: None)
    return sending_device(job.models, model, mode, register=not job.options.relative_motion)


def sending_device(
    models: Path | None, model: Model, mode: FramingMode, *, register: bool
) -> Device:
    """Opens the keypoint detector here, and the framing; raises as `device_of` does.

    Args:
        models: The repository; None for the installed one.
        model: Whose keypoints are sent.
        mode: How pictures are framed.
        register: Whether keypoints are registered with the source, if the repository has the model
            for it.
    """
    detector = _detector(models, model, register=register)
    if mode is FramingMode.OFF:
        return Device(detector, lambda frame_rate: None)
    from motioncast.client.framing import DeviceFraming, FaceFinder

    finder = FaceFinder(_model_file(models, FINDER))
    return Device(detector, lambda rate: DeviceFraming(finder, mode, model.height, frame_rate=rate))


def watcher_of(job: StreamJob, model: Model, device: Device) -> Watcher:
    """Returns what measures the results' motion: the device's detector, else one of a local model.

    It need not be the server's detector, as it is applied to originals and results alike.
    """
    anchored = shows_expression(model.anchored_keypoints)
    if device.detector is not None:
        return Watcher(device.detector, anchored)
    try:
        return Watcher(_detector(job.models, model), anchored)
    except (CommandError, DomainError, ImportError, MediaError, MissingExtraError):
        return Watcher(None, reason=f"no local model detects the keypoints of {model.name}")


def _detector(models: Path | None, model: Model, *, register: bool = False) -> Detector:
    from motioncast.client.device import KeypointDetector

    registration = _find(models, f"{model.name}_registration") if register else None
    detector = KeypointDetector(_model_file(models, f"{model.name}_keypoint"), registration)
    expected = model.height, model.width, model.keypoints
    if (detector.height, detector.width, detector.keypoints) != expected:
        raise CommandError(f"model: the local {model.name} differs from the server's")
    return detector


def _model_file(models: Path | None, name: str) -> Path:
    file = _find(models, name)
    if file is None:
        there = _repository(models)
        raise CommandError(f"{there} has no {name}, which is required on this machine")
    return file


def _find(models: Path | None, name: str) -> Path | None:
    from motioncast.inference.repository import find_models

    return find_models(_repository(models)).get(name)


def _repository(models: Path | None) -> Path:
    from motioncast.inference import default_repository

    return models or default_repository()
