"""Going on where a training was saved: a file of anything else is refused in one sentence."""

from pathlib import Path
from typing import Protocol

from motioncast.models.checkpoint import CheckpointError


class Resumable(Protocol):
    """A training that takes up its state."""

    def resume(self, path: Path) -> None:
        """Takes up the state that lies at `path`; whatever reading it raises goes through."""


def resume(training: Resumable, path: Path) -> None:
    """Has a training go on from a file; CheckpointError unless one of its kind wrote it."""
    try:
        training.resume(path)
    except Exception as error:  # torch.load raises whatever unpickling or unzipping raises
        missing = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        reason = missing.partition("\n")[0]
        raise CheckpointError(f"{path}: cannot be resumed ({reason})") from error
