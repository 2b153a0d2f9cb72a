"""Resumes a training from its saved state; any other file is refused with a one-sentence error."""

from pathlib import Path
from typing import Protocol

from motioncast.models.checkpoint import CheckpointError


class Resumable(Protocol):
    """A training that can load a saved state."""

    def resume(self, path: Path) -> None:
        """Loads the state at `path`; errors of reading it are passed on."""


def resume(training: Resumable, path: Path) -> None:
    """Resumes a training from a file; CheckpointError unless this kind of training wrote it."""
    try:
        training.resume(path)
    except Exception as error:  # torch.load passes on any unpickling or unzipping error
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        reason = missing.partition("\n")[0]
        raise CheckpointError(f"{path}: cannot be resumed ({reason})") from error
