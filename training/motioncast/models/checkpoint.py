"""Checkpoints of detector and synthesis: float16 weights, a format version and a configuration."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from motioncast.models.configurations import Configuration, configuration
from motioncast.models.face.depth import Depth
from motioncast.models.face.restoration import Restoration
from motioncast.models.lite.blocks import Residual
from motioncast.models.motion_transfer import MotionTransfer

MOTION_TRANSFER_FORMAT = "motioncast.motion_transfer"
FORMAT_VERSION = 1


class CheckpointError(ValueError):
    """Raised when a file is not a checkpoint this version can read; the message says why."""


def save_motion_transfer(model: MotionTransfer, path: Path) -> None:
    """Writes the detector and the synthesis network with float16 weights, atomically."""
    weights = {
        name: value.half() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    payload = {
        "format": MOTION_TRANSFER_FORMAT,
        "version": FORMAT_VERSION,
        "configuration": model.configuration.name,
        "weights": weights,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    torch.save(payload, unfinished)
    unfinished.replace(path)


def load_motion_transfer(path: Path) -> MotionTransfer:
    """Returns the networks of a checkpoint in evaluation mode, float32, on the CPU.

    Residual blocks, depth heads and restorations that the checkpoint lacks start untrained: depths
    as zero, the others as the identity, so older checkpoints give nearly the results of before.
    Raises FileNotFoundError, or CheckpointError for a file of another kind, version or
    configuration.
    """
    payload = _read(Path(path))
    try:
        known = configuration(payload["configuration"])
        model = MotionTransfer(known)
        _load_weights(model, payload["weights"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    return model.eval()


def absent_weights(path: Path) -> frozenset[str]:
    """Returns the names of the weights that a checkpoint lacks and that start untrained.

    Raises as `load_motion_transfer` does.
    """
    names = load_motion_transfer(path).state_dict().keys()
    return frozenset(names - _read(Path(path))["weights"].keys())


def resized(networks: MotionTransfer, wanted: Configuration) -> MotionTransfer:
    """Returns face networks reconfigured for another image size; the same weights serve both.

    Raises CheckpointError when the configurations differ in more than name and size.
    """
    own = networks.configuration
    alike = replace(own, name=wanted.name, image_size=wanted.image_size)
    if own.architecture != "face" or alike != wanted:
        raise CheckpointError(f"is of {own.name!r}, not {wanted.name!r}")
    model = MotionTransfer(wanted)
    model.load_state_dict(networks.state_dict())
    return model.eval()


def _load_weights(model: MotionTransfer, weights: Mapping[str, Tensor]) -> None:
    changes_nothing = (Residual, Depth, Restoration)  # while untrained
    parts = model.named_modules()
    blocks = {name: part for name, part in parts if isinstance(part, changes_nothing)}
    absent = {
        f"{name}.{key}": value
        for name, part in blocks.items()
        if not any(key.startswith(f"{name}.") for key in weights)
        for key, value in part.state_dict().items()
    }
    model.load_state_dict({**absent, **weights})


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        payload = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load passes on any unpickling or unzipping error
        raise CheckpointError(f"{path}: is not a checkpoint ({error})") from error
    if not isinstance(payload, dict) or payload.get("format") != MOTION_TRANSFER_FORMAT:
        raise CheckpointError(f"{path}: is not a {MOTION_TRANSFER_FORMAT} checkpoint")
    if payload.get("version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: has format version {payload.get('version')} (expected {FORMAT_VERSION})"
        )
    return payload
