"""Weights of these networks on disk: state dictionaries in float16, the precision TFLite stored."""

from pathlib import Path

import torch
from torch import nn

from motioncast.models.checkpoint import CheckpointError


def save_weights(network: nn.Module, path: Path) -> None:
    """Writes a network's state dictionary in float16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: value.half() for name, value in network.state_dict().items()}, path)


def load_weights(network: nn.Module, path: Path) -> None:
    """Loads weights into a network, in float32.

    Raises FileNotFoundError, or CheckpointError when the file belongs to another network.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load passes on any unpickling or unzipping error
        raise CheckpointError(f"{path}: {error}") from error
