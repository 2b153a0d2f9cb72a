"""The clip that comes with motioncast."""

from importlib import resources
from pathlib import Path


def bundled_clip() -> Path:
    """Returns the file of the bundled interview, 256x256."""
    return Path(str(resources.files("motioncast.cli").joinpath("assets/interview.mp4")))
