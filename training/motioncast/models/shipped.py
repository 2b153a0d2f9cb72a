"""The checkpoints shipped with motioncast, in a checkout or in an installed package."""

from pathlib import Path
from typing import Final

import motioncast

CONFIGURATION: Final = "face256"


def shipped_checkpoint(part: str, configuration: str = CONFIGURATION) -> Path:
    """Returns the `synthesis` (with its detector) or `predictor` file of a shipped configuration.

    The person matte, which belongs to no configuration, is `matte` of `person`.
    Raises FileNotFoundError when the installation has no such file.
    """
    name = f"{configuration}_{part}.pt"
    checkout = Path(__file__).resolve().parents[2]
    for root in (checkout, *map(Path, motioncast.__path__)):
        if (root / "checkpoints" / name).is_file():
            return root / "checkpoints" / name
    raise FileNotFoundError(f"{name}: this installation has no such checkpoint")
