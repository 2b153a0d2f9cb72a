"""A thread that checks whether any caller still waits for a run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_WATCH_SECONDS: Final = 0.02  # only longer runs are checked


class CancellationWatch:
    """Ends a run early once all of its callers have cancelled."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: tuple[Sequence[Any], Any] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._look, name="cancellation", daemon=True)
        self._thread.start()

    def over(self, requests: Sequence[Any], options: Any) -> _Watched:
        """Returns a context manager in which the run with these `RunOptions` is watched."""
        return _Watched(self, (requests, options))

    def close(self) -> None:
        """Stops watching."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def watch(self, watched: tuple[Sequence[Any], Any] | None) -> None:
        """Sets what is watched from now on; once it returns, nothing else is checked any more."""
        with self._changed:
            self._watched = watched
            self._changed.notify()

    def _look(self) -> None:
        with self._changed:
            while not self._closed:
                begun = self._watched
                self._changed.wait(None if begun is None else _WATCH_SECONDS)
                if begun is None or begun is not self._watched:
                    continue
                requests, options = begun
                if all(request.is_cancelled() for request in requests):
                    options.terminate = True
                    self._watched = None


@dataclass(frozen=True, slots=True)
class _Watched:
    watch: CancellationWatch
    run: tuple[Sequence[Any], Any]

    def __enter__(self) -> None:
        self.watch.watch(self.run)

    def __exit__(self, *_: object) -> None:
        self.watch.watch(None)
