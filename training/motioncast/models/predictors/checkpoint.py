"""A predictor on disk: its kind, sizes and weights; loading runs no code from the file."""

import os
import pickle
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from motioncast.models.predictors.gap_filling import Predictor, free_running
from motioncast.models.predictors.recurrent import (
    MotionStatistics,
    PredictorSizes,
    RecurrentPredictor,
)
from motioncast.models.predictors.registry import LEARNED, NETWORKS
from motioncast.models.predictors.var import DirectMap, VectorAutoregression, Window

FORMAT = "motioncast.predictor"
VERSION = 1
VAR = "var"
FORMER_NAMES = {"monkey_net_gru": "rnn"}
OF_THE_INTERVAL = ("factors", "spread_network.")  # absent from older files, which state no interval


class PredictorCheckpointError(ValueError):
    """Raised when a file does not hold the expected predictor; the message names the file."""


def build_predictor(
    kind: str, sizes: PredictorSizes, statistics: MotionStatistics | None = None
) -> RecurrentPredictor:
    """Builds an untrained predictor of a kind; ValueError lists the kinds."""
    if kind not in NETWORKS:
        raise ValueError(f"predictor: {kind!r} is unknown (expected one of {', '.join(NETWORKS)})")
    return NETWORKS[kind](sizes, statistics)


def kind_of(model: RecurrentPredictor) -> str:
    """Returns the name of a predictor's kind in the registry."""
    return next(name for name, built in NETWORKS.items() if built is type(model))


def save_predictor(model: RecurrentPredictor, path: Path) -> None:
    """Writes a predictor atomically, weights in float16 and normalisation in float32."""
    normalisation = dict(model.named_buffers())
    weights = {
        name: value if name in normalisation else value.half()
        for name, value in model.state_dict().items()
    }
    _write(kind_of(model), {"sizes": asdict(model.sizes), "weights": weights}, path)


def save_var(model: VectorAutoregression, path: Path) -> None:
    """Writes a vector autoregression in float32, atomically."""
    statistics = model.statistics
    content = {
        "lags": model.lags,
        "patterns": [list(each) for each in model.patterns],
        "statistics": {name: getattr(statistics, name) for name in ("mean", "std", "unit")},
        "maps": [
            {"offsets": list(offsets), "weights": fitted.weights, "ridges": list(fitted.ridges)}
            for offsets, fitted in model.maps.items()
        ],
    }
    _write(VAR, content, path)


def load_predictor(path: Path) -> RecurrentPredictor:
    """Reads a file written by `save_predictor`, ready for inference in float32.

    Raises PredictorCheckpointError for another kind of file, an unknown version or damaged content.
    """
    return _recurrent(_read(path), path)


def load_var(path: Path) -> VectorAutoregression:
    """Reads a file written by `save_var`; raises PredictorCheckpointError as `load_predictor`."""
    return _autoregression(_read(path), path)


def load_forecaster(path: Path) -> Predictor:
    """Reads a predictor of any kind behind their common call, following its mean path.

    Raises PredictorCheckpointError as `load_predictor` does.
    """
    content = _read(path)
    if content.get("kind") == VAR:
        return _autoregression(content, path)
    return free_running(_recurrent(content, path))


def predictor_files(folder: Path) -> dict[str, list[Path]]:
    """Finds the initialisations KIND_SEED.pt of every kind in a folder, or KIND.pt for just one.

    Kinds come in the order of LEARNED, seeds in ascending order; other files are ignored.
    Raises PredictorCheckpointError when there are none.
    """
    found: dict[str, list[tuple[int, Path]]] = {kind: [] for kind in LEARNED}
    for path in folder.glob("*.pt"):
        name = re.fullmatch(r"([a-z]+)(?:_(\d+))?", path.stem)
        if name and name[1] in found:
            found[name[1]].append((int(name[2] or 0), path))
    files = {kind: [path for _, path in sorted(paths)] for kind, paths in found.items() if paths}
    if not files:
        raise PredictorCheckpointError(
            f"{folder}: contains no predictors (expected KIND_SEED.pt, KIND one of"
            f" {', '.join(LEARNED)})"
        )
    return files


def _recurrent(content: dict[str, Any], path: Path) -> RecurrentPredictor:
    if content.get("kind") == VAR:
        raise PredictorCheckpointError(f"{path}: is a predictor of kind {VAR!r}, not recurrent")
    try:
        kind = FORMER_NAMES.get(content["kind"], content["kind"])
        model = build_predictor(kind, PredictorSizes(**content["sizes"]))
        weights: dict[str, Tensor] = content["weights"]
        unstated = {
            name: torch.zeros_like(value)
            for name, value in model.state_dict().items()
            if name.startswith(OF_THE_INTERVAL)
        }
        model.load_state_dict(unstated | {name: value.float() for name, value in weights.items()})
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise PredictorCheckpointError(f"{path}: is a damaged predictor ({error})") from error
    return model.eval()


def _autoregression(content: dict[str, Any], path: Path) -> VectorAutoregression:
    if content.get("kind") != VAR:
        raise PredictorCheckpointError(
            f"{path}: is a predictor of kind {content.get('kind')!r}, not {VAR!r}"
        )
    try:
        return VectorAutoregression(
            statistics=MotionStatistics(**content["statistics"]),
            lags=content["lags"],
            patterns=tuple(Window(*each) for each in content["patterns"]),
            maps={
                tuple(each["offsets"]): DirectMap(each["weights"], tuple(each["ridges"]))
                for each in content["maps"]
            },
        )
    except (KeyError, TypeError) as error:
        raise PredictorCheckpointError(f"{path}: is a damaged predictor ({error})") from error


def _write(kind: str, content: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    torch.save({"format": FORMAT, "version": VERSION, "kind": kind, **content}, unfinished)
    os.replace(unfinished, path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        raise PredictorCheckpointError(f"{path}: not a checkpoint of this project") from error
    if not isinstance(content, dict):
        raise PredictorCheckpointError(f"{path}: not a checkpoint of this project")
    if content.get("format") != FORMAT:
        raise PredictorCheckpointError(
            f"{path}: not a predictor (format {content.get('format')!r}, expected {FORMAT!r})"
        )
    if content.get("version") != VERSION:
        raise PredictorCheckpointError(
            f"{path}: has predictor format version {content.get('version')!r} (expected {VERSION})"
        )
    return content
