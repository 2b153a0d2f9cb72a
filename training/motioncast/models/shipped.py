"""The checkpoints that come with motioncast, in a checkout and in an installed package."""

from pathlib import Path
from typing import Final

import motioncast

CONFIGURATION: Final = "lite128"


def shipped_checkpoint(part: str) -> Path:
    """Returns the file of the shipped `synthesis` (with its detector) or `predictor`.

    Raises FileNotFoundError when the installation has none.
    """
    name = f"{CONFIGURATION}_{part}.pt"
    checkout = Path(__file__).resolve().parents[2]
    for root in (checkout, *map(Path, motioncast.__path__)):
        if (root / "checkpoints" / name).is_file():
            return root / "checkpoints" / name
    raise FileNotFoundError(f"{name}: this installation has no such checkpoint")
