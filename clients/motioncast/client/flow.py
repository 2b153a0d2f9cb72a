"""Who waits for whom in a session: the sender for the caller, the caller for the video.

    room       the sender reads on while fewer than `window` sent frames have not been given back
    reached    a result is given once the video has got to it, so that as many come as went in

Nothing here knows the transport. The sender and the reader are two threads.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

WINDOW: Final = 64  # sent frames; a server needs 32 before it can answer


class Flow:
    """What was read, sent and given back so far.

    Args:
        window: Sent frames that may be without an answer at once.
        frame_count: Frames of the whole video; None when only its end tells.
    """

    def __init__(self, window: int, frame_count: int | None) -> None:
        self._window = window
        self._frame_count = frame_count
        self._sent: deque[int] = deque()  # indices that were sent and not given back
        self._read = 0  # frames of the video, lost and skipped ones too
        self._writing = False
        self._ended = False  # the video
        self._over = False  # the session
        self._broken = False  # the call, until there is another
        self._changed = threading.Condition()

    @property
    def over(self) -> bool:
        """Whether the session is over."""
        return self._over

    def wait_for_room(self, seconds: float | None = None) -> bool:
        """Waits until another frame may be sent or the session is over; False after `seconds`."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._over or len(self._sent) < self._window, seconds
            )

    def read(self, count: int, sent: int | None) -> None:
        """Notes that `count` frames of the video were read; `sent` is the index on its way."""
        with self._changed:
            self._read = count
            if sent is not None:
                self._sent.append(sent)
            self._changed.notify_all()

    def write(self, *, begins: bool) -> None:
        """Notes that a message begins to be written, or has been."""
        with self._changed:
            self._writing = begins
            self._changed.notify_all()

    def end(self) -> None:
        """Notes that the video has ended."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Notes that the session is over and ends every wait."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def break_off(self) -> None:
        """Notes that the call has ended, and with it the wait for the video."""
        with self._changed:
            self._broken = True
            self._changed.notify_all()

    def mend(self) -> None:
        """Notes that there is another call."""
        with self._changed:
            self._broken = self._writing = False
            self._changed.notify_all()

    def reached(self, index: int) -> bool:
        """Waits for the video to get to a result, and tells whether it has.

        It has not where the video has ended before, or the session is over. While a message is
        being written nobody waits either: the server may not read it before its results are read.
        """

        def settled() -> bool:
            has = self._has(index)
            return has or self._ended or self._over or self._writing or self._broken

        with self._changed:
            self._changed.wait_for(settled)
            return self._has(index)

    def give(self, index: int) -> None:
        """Notes that a result is given to the caller, and with it all before it."""
        with self._changed:
            while self._sent and self._sent[0] <= index:
                self._sent.popleft()
            self._changed.notify_all()

    def _has(self, index: int) -> bool:
        return index < (self._read if self._frame_count is None else self._frame_count)
