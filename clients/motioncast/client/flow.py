"""Flow control of a session: the sender waits for the caller, the caller for the video.

    room       the sender reads on while fewer than `window` sent frames have not been returned
    reached    a result is returned once the video has reached it: one result per frame read

Nothing here depends on the transport. The sender and the reader are two threads.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

WINDOW: Final = 64  # sent frames; a server needs 32 before it can respond


class Flow:
    """Counts what has been read, sent and returned so far.

    Args:
        window: Sent frames that may be outstanding at once.
        frame_count: Frames of the whole video; None if only its end tells.
    """

    def __init__(self, window: int, frame_count: int | None) -> None:
        self._window = window
        self._frame_count = frame_count
        self._sent: deque[int] = deque()  # indices of frames sent and not yet returned
        self._read = 0  # frames of the video, including lost and skipped ones
        self._writing = False
        self._ended = False  # the video has ended
        self._over = False  # the session is over
        self._broken = False  # the call has ended, and there is no new one yet
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
        """Notes that `count` frames of the video were read; `sent` is the index being sent."""
        with self._changed:
            self._read = count
            if sent is not None:
                self._sent.append(sent)
            self._changed.notify_all()

    def write(self, *, begins: bool) -> None:
        """Notes that writing a message begins, or has finished."""
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
        """Notes that the call has ended, which also ends the wait for the video."""
        with self._changed:
            self._broken = True
            self._changed.notify_all()

    def mend(self) -> None:
        """Notes that there is a new call."""
        with self._changed:
            self._broken = self._writing = False
            self._changed.notify_all()

    def reached(self, index: int) -> bool:
        """Waits for the video to reach a result, and returns whether it has.

        It has not if the video ended before that, or the session is over. There is no wait while a
        message is being written: the server may not read it until its results have been read.
        """

        def settled() -> bool:
            has = self._has(index)
            return has or self._ended or self._over or self._writing or self._broken

        with self._changed:
            self._changed.wait_for(settled)
            return self._has(index)

    def give(self, index: int) -> None:
        """Notes that a result, and with it every earlier one, is returned to the caller."""
        with self._changed:
            while self._sent and self._sent[0] <= index:
                self._sent.popleft()
            self._changed.notify_all()

    def _has(self, index: int) -> bool:
        return index < (self._read if self._frame_count is None else self._frame_count)
