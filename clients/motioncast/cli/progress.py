"""Progress bars on standard error, one per stage of a long command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Stages(Protocol):
    """Shows the progress of a command."""

    def __call__(self, name: str, total: int | None) -> Callable[[], None]:
        """Ends the previous stage and begins one of `total` steps, None for unknown.

        Calling the result advances it by one step.
        """


@contextmanager
def progress_bars(*, quiet: bool) -> Iterator[Stages]:
    """Yields a function that shows a bar for each stage; shows none when quiet."""
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:

        def begin(name: str, total: int | None) -> Callable[[], None]:
            for task_before in progress.tasks:  # their number of steps is known by now
                progress.update(task_before.id, total=task_before.completed)
            task = progress.add_task(name, total=total)
            return lambda: progress.advance(task)

        yield begin
