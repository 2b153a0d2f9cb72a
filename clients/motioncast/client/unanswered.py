"""Sent messages of a session that have not been answered: enough to resume at another server.

    begin   config with the newest token, the current sources, messages sent since
    next    the message after a place in that sequence
    answer  a token: the messages it covers are dropped

A session without tokens, or with messages so large that they are not kept, cannot resume.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from motioncast.timeline.pattern import Pattern
from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest

MOST_MESSAGES: Final = 512  # a token comes at least every 32 frames; 64 frames may be outstanding
MOST_BYTES: Final = 128 * 2**20


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message: of frames up to `last`, or a source that is used from frame `since` on."""

    message: StreamRequest
    last: int | None = None
    since: int | None = None
    size: int = 0

    def is_answered(self, next_index: int) -> bool:
        """Whether the frames before `next_index` have used all of it."""
        if self.last is not None:
            return self.last < next_index
        return self.since is not None and self.since < next_index


class Unanswered:
    """The messages of one session; thread-safe.

    Args:
        pattern: The session's pattern.
        keeps: Whether sent messages are kept until they are answered.
    """

    def __init__(self, pattern: Pattern, *, keeps: bool) -> None:
        self._pattern = pattern
        self._keeps = keeps
        self._config: StreamConfig | None = None
        self._sent: deque[_Sent] = deque()
        self._first = 0  # place of the first kept message, among all that were ever sent
        self._passed = 0  # place of the first message that has not been handed out
        self._sources: dict[int, StreamRequest] = {}  # in use for the frame before the token's
        self._newest = -1  # newest frame sent
        self._dropped = -1  # newest frame that was dropped without an answer
        self._bytes = 0
        self._token = b""
        self._next_index = 0
        self._lock = threading.Lock()

    @property
    def can_go_on(self) -> bool:
        """Whether everything that another server needs is still here."""
        with self._lock:
            return self._keeps and self._config is not None and self._dropped < self._next_index

    def add(self, messages: Sequence[StreamRequest], ends: Sequence[int]) -> None:
        """Takes messages that are to be sent.

        Args:
            messages: In sending order.
            ends: For each coded packet among them, the index of its last frame.
        """
        packets = iter(ends)
        with self._lock:
            for message in messages:
                self._add(message, packets)
            if self._keeps:
                self._bound()

    def begin(self) -> tuple[list[StreamRequest], int]:
        """Returns the messages that open a resumed session, and the place to pass to `next`."""
        with self._lock:
            assert self._config is not None  # always the first message
            config = StreamRequest(config=self._config)
            if self._token:
                config.config.resume_token = self._token
            sources = [message for _, message in sorted(self._sources.items())]
            self._passed = self._first
            return [config, *sources], self._first

    def next(self, place: int) -> StreamRequest | None:
        """Returns the message at a place in the sequence; None if nothing was sent there yet."""
        with self._lock:
            if not self._keeps:
                while self._sent and self._first < place:
                    self._sent.popleft()
                    self._first += 1
            at = place - self._first
            if at >= len(self._sent):
                return None
            self._passed = place + 1
            return self._sent[at].message

    def answer(self, token: bytes, next_index: int) -> None:
        """Takes the newest token; drops the messages of frames before `next_index`."""
        with self._lock:
            self._token, self._next_index = token, next_index
            while self._sent and self._sent[0].is_answered(next_index):
                self._let_go()

    def _add(self, message: StreamRequest, packets: Iterator[int]) -> None:
        kind, last, since = message.WhichOneof("message"), None, None
        if kind == "config":
            self._config = message.config
            return
        if kind == "source":
            since = 0 if self._newest < 0 else self._pattern.next_expected(self._newest + 1)
        elif kind == "frame":
            last = message.frame.index
        elif kind == "keypoints":
            last = message.keypoints.index
        elif kind == "coded":
            last = next(packets, self._newest)
        if last is not None:
            self._newest = max(last, self._newest)
        size = message.ByteSize()
        self._bytes += size
        self._sent.append(_Sent(message, last, since, size))

    def _bound(self) -> None:
        """Drops the oldest frames if there are too many; sources are kept."""
        while self._first < self._passed and (
            len(self._sent) > MOST_MESSAGES or self._bytes > MOST_BYTES
        ):
            oldest = self._sent[0]
            self._dropped = self._dropped if oldest.last is None else oldest.last
            self._let_go()

    def _let_go(self) -> None:
        sent = self._sent.popleft()
        self._first += 1
        self._bytes -= sent.size
        if sent.since is not None:
            self._sources[sent.message.source.index] = sent.message
