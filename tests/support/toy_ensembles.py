"""The toy models joined into ensembles by the export, and a numpy reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from support.toy_configs import build_configured_repository
from support.toy_models import CONFIGURATION, toy_frame

from motioncast.export.ensemble_files import ensembles_around, write_ensembles


def build_joined_repository(root: Path) -> Path:
    """Writes the toy models with their configs, glue models and ensembles; returns root."""
    build_configured_repository(root)
    write_ensembles(root, ensembles_around(CONFIGURATION, root, []))
    return root


def toy_frames(path: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns the toy synthesis's frames (T, H, W, 3) for keypoints (T, K, 3)."""
    return np.stack([toy_frame(keypoints) for keypoints in path])
