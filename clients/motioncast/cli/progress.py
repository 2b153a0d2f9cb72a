"""Progress bars on standard error, one for each stage of a long command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Stages(Protocol):
    """What shows how far a command is."""

    def __call__(self, name: str, total: int | None) -> Callable[[], None]:
        """Begins a stage of `total` steps, None for unknown; the result notes one step done."""


@contextmanager
def progress_bars(*, quiet: bool) -> Iterator[Stages]:
    """Gives a bar for each stage that begins; none when quiet."""
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:

        def begin(name: str, total: int | None) -> Callable[[], None]:
            task = progress.add_task(name, total=total)
            return lambda: progress.advance(task)

        yield begin
