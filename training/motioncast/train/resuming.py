"""Resumes a training where it was saved: any other file is refused in one sentence."""

from pathlib import Path
from typing import Protocol

from motioncast.models.checkpoint import CheckpointError


class Resumable(Protocol):
    """A training that can take up a saved state."""

    def resume(self, path: Path) -> None:
        """Takes up the state at `path`; errors of reading it are passed on."""


def resume(training: Resumable, path: Path) -> None:
    """Resumes a training from a file; CheckpointError unless such a training wrote it."""
    try:
        training.resume(path)
    except Exception as error:  # torch.load raises whatever unpickling or unzipping raises
        missing = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        reason = missing.partition("\n")[0]
        raise CheckpointError(f"{path}: cannot be resumed ({reason})") from error
