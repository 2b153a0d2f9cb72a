"""A predictor on disk: its kind, its sizes and its weights; loading it runs no code of the file."""

import os
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from motioncast.models.gru import GRU, MonkeyNetGRU
from motioncast.models.predictor import MotionStatistics, PredictorSizes, RecurrentPredictor
from motioncast.models.vrnn import VRNN

FORMAT = "motioncast.predictor"
VERSION = 1
PREDICTORS: dict[str, type[RecurrentPredictor]] = {
    "vrnn": VRNN,
    "gru": GRU,
    "monkey_net_gru": MonkeyNetGRU,
}


class PredictorCheckpointError(ValueError):
    """A file that should hold a predictor does not; the message names it."""


def build_predictor(
    kind: str, sizes: PredictorSizes, statistics: MotionStatistics | None = None
) -> RecurrentPredictor:
    """Builds an untrained predictor of a kind; ValueError names the kinds there are."""
    if kind not in PREDICTORS:
        raise ValueError(
            f"predictor: {kind!r} is unknown (expected one of {', '.join(PREDICTORS)})"
        )
    return PREDICTORS[kind](sizes, statistics)


def save_predictor(model: RecurrentPredictor, path: Path) -> None:
    """Writes a predictor, weights in float16 and normalisation in float32, whole or not at all."""
    normalisation = dict(model.named_buffers())
    weights = {
        name: value if name in normalisation else value.half()
        for name, value in model.state_dict().items()
    }
    kind = next(name for name, built in PREDICTORS.items() if built is type(model))
    content = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "sizes": asdict(model.sizes),
        "weights": weights,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    torch.save(content, unfinished)
    os.replace(unfinished, path)


def load_predictor(path: Path) -> RecurrentPredictor:
    """Reads what `save_predictor` wrote, ready for inference in float32.

    Raises PredictorCheckpointError for another kind of file, an unknown version or damaged content.
    """
    content = _read(path)
    if content.get("format") != FORMAT:
        raise PredictorCheckpointError(
            f"{path}: not a predictor (format {content.get('format')!r}, expected {FORMAT!r})"
        )
    if content.get("version") != VERSION:
        raise PredictorCheckpointError(
            f"{path}: predictor format version {content.get('version')!r} is not known"
            f" (expected {VERSION})"
        )
    try:
        model = build_predictor(content["kind"], PredictorSizes(**content["sizes"]))
        weights: dict[str, Tensor] = content["weights"]
        model.load_state_dict({name: value.float() for name, value in weights.items()})
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise PredictorCheckpointError(f"{path}: damaged predictor ({error})") from error
    return model.eval()


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        raise PredictorCheckpointError(f"{path}: not a checkpoint of this project") from error
    if not isinstance(content, dict):
        raise PredictorCheckpointError(f"{path}: not a checkpoint of this project")
    return content
