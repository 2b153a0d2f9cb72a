"""The journal of a training: log.jsonl for programs and tables, TensorBoard for people.

    tensorboard --logdir OUT

A resumed training continues from its checkpoint; entries logged after it are removed, so no step
appears twice.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter


class Journal:
    """Writes a training's figures into a folder; to be used in a `with` block.

    Only the leading process writes; the journals of the others do nothing.
    """

    def __init__(self, folder: Path, step: int, writes: bool = True) -> None:
        """Opens the journal of a training that has taken `step` steps so far."""
        self.path = folder / "log.jsonl"
        self._writes = writes
        if writes:
            folder.mkdir(parents=True, exist_ok=True)
            _forget_after(self.path, step)
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writes:
            self._board.close()

    def figures(self, step: int, entry: Mapping[str, float], board: Mapping[str, float]) -> None:
        """Appends a line of figures, and adds scalars by their TensorBoard names (group/name)."""
        if not self._writes:
            return
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **entry}) + "\n")
        self.scalars(step, board)

    def scalars(self, step: int, board: Mapping[str, float]) -> None:
        """Adds scalars to TensorBoard only."""
        if self._writes:
            for name, value in board.items():
                self._board.add_scalar(name, value, step)

    def image(self, step: int, name: str, image: Tensor) -> None:
        """Adds an image (3, H, W) with values in [0, 1] to TensorBoard."""
        if self._writes:
            self._board.add_image(name, image, step)
            self._board.flush()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of a log.jsonl, without a truncated last line."""
    entries: list[dict[str, Any]] = []
    if path.is_file():
        for line in path.read_text().splitlines():
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return entries


def _forget_after(path: Path, step: int) -> None:
    if not path.is_file():
        return
    kept = [json.dumps(entry) for entry in read_log(path) if entry["step"] <= step]
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text("".join(f"{line}\n" for line in kept))
    os.replace(unfinished, path)
