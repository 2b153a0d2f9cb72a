"""The gate of `motioncast send` and `stream`: it forecasts as the receiver or the server does."""

from __future__ import annotations

from pathlib import Path

from motioncast.cli.failures import CommandError
from motioncast.client import Model
from motioncast.client.forecasting import KeypointPredictor
from motioncast.client.rendering import file_digest
from motioncast.sending import Gate


def gate_for(models: Path | None, model: Model, pixels: float) -> Gate:
    """Returns a gate with the model's weights, and its predictor if that is available here.

    Args:
        models: The repository; None for the installed one.
        model: The model whose keypoints are sent.
        pixels: The bound, in pixels of an image of 256.

    Raises:
        CommandError: The bound is invalid.
        DomainError, MediaError, MissingExtraError: The predictor cannot be read.
    """
    from motioncast.inference import default_repository  # needs the [serve] extra
    from motioncast.inference.repository import find_models

    predictor = find_models(models or default_repository()).get(f"{model.name}_predictor")
    forecaster = None if predictor is None else KeypointPredictor(predictor)
    try:
        return Gate(pixels, model.source_weights, forecaster=forecaster)
    except ValueError as error:
        raise CommandError(str(error)) from error


def predictor_digest(repository: Path, model: Model) -> str:
    """Returns the SHA-256 of the predictor that `gate_for` forecasts with; "" without one."""
    from motioncast.inference.repository import find_models

    predictor = find_models(repository).get(f"{model.name}_predictor")
    return "" if predictor is None else file_digest(predictor)
