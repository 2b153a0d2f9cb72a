"""The checkpoints that come with motioncast, in a checkout and in an installed package."""

from pathlib import Path
from typing import Final

import motioncast

CONFIGURATION: Final = "face256"


def shipped_checkpoint(part: str, configuration: str = CONFIGURATION) -> Path:
    """Returns the file of a shipped configuration's `synthesis` (with its detector) or `predictor`.

    The person matte is the `matte` of `person`, which belongs to no configuration.
    Raises FileNotFoundError when the installation has none.
    """
    name = f"{configuration}_{part}.pt"
    checkout = Path(__file__).resolve().parents[2]
    for root in (checkout, *map(Path, motioncast.__path__)):
        if (root / "checkpoints" / name).is_file():
            return root / "checkpoints" / name
    raise FileNotFoundError(f"{name}: this installation has no such checkpoint")
