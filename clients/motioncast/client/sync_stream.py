"""One session over blocking gRPC: a thread of gRPC's sends, the iterating thread receives.

video -> Session -> Unanswered -> call -> Session -> frames
                        |
                        resent to another server when the call breaks
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Final

import grpc

from motioncast.client.attempts import Attempts, Perseverance
from motioncast.client.errors import (
    InvalidRequestError,
    ServerError,
)
from motioncast.client.flow import WINDOW, Flow
from motioncast.client.latest import Latest
from motioncast.client.options import EffectiveConfig
from motioncast.client.session import Session
from motioncast.client.types import DatagramTraffic, Frame, Report
from motioncast.client.unanswered import Unanswered
from motioncast.client.vigil import Vigil
from motioncast.client.ways import Way, Ways
from motioncast.v1.motion_transfer_pb2 import StreamRequest
from motioncast.wire.addresses import host_of

_AGAIN_SECONDS: Final = 0.3  # without room to send, after which lost packets are resent
_STRETCH_FRAMES: Final = 32  # the most that a server makes at once


class SyncStream:
    """The frames of a session, to be read once: `for frame in stream`. Otherwise as `Stream`.

    The video is read up to its first frame before the call is opened, by the thread that iterates:
    a camera may take longer to start than a server waits. From then on a thread of gRPC's reads
    it. When a server goes away, drains or hangs, the session resumes at another one.
    """

    def __init__(
        self,
        ways: Ways,
        timeout: float | None,
        session: Session[Any],
        elements: Iterable[Any],
        latest_only: bool = False,
        perseverance: Perseverance | None = None,
    ) -> None:
        self._ways = ways
        self._way: Way = ways.used
        self._timeout = timeout
        self._session = session
        session.host = host_of(self._way.target)
        self._elements = Latest(elements, session.sends) if latest_only else elements
        # Live: one group being made and one in flight; anything more would queue up.
        group = min(session.observed, WINDOW // 2)
        window = 2 * group if latest_only else WINDOW
        if (packed := session.packet_frames) > 1:  # counted in packets; one more than a group's
            window = max(window // packed, -(-group // packed) + 1)
        self._flow = Flow(window, session.frame_count)
        self._call: Any = None  # both a grpc.Call and an iterator, which gRPC's stubs do not say
        self._calls = 0  # opened so far
        self._begun = False
        self._reading = threading.Lock()  # held while an element of the video is read
        self._read_all = False
        self._failure: Exception | None = None  # on the client's side; explains the end of the call
        self._closed = threading.Event()
        self._attempts = Attempts(perseverance or Perseverance())
        self._unanswered = Unanswered(
            session.pattern, keeps=session.can_go_on and self._attempts.persevering
        )
        self._received = 0  # index of the frame that is expected next
        self._answered = False  # whether the current call has received anything
        self._vigil = Vigil(self._attempts.patience, self._is_owed, self._give_up_waiting)
        self._resumes = 0

    @property
    def config(self) -> EffectiveConfig:
        """The effective configuration; RuntimeError before the first frame has arrived."""
        return self._session.config

    @property
    def report(self) -> Report:
        """The session's report; RuntimeError before the last frame has arrived."""
        return self._session.report

    @property
    def datagrams(self) -> DatagramTraffic | None:
        """How packets have travelled so far; None if the session did not ask for datagrams."""
        return self._session.datagrams

    @property
    def resumes(self) -> int:
        """How often the session has resumed, at another server or at the same one."""
        return self._resumes

    def __iter__(self) -> Generator[Frame]:
        if self._begun or self._failure is not None:
            raise RuntimeError("a stream can be read once")
        self._begun = True
        try:
            elements = iter(self._elements)
            self._read_first(elements)
            self._attempts.begin(self._timeout)
            waiting: deque[Frame] = deque()  # until the video reaches them
            while True:
                try:
                    self._open(elements)
                    for frame in self._frames():
                        if frame is not None:
                            waiting.append(frame)
                        while waiting and self._flow.reached(waiting[0].index):
                            yield self._given(waiting.popleft())
                    break
                except grpc.RpcError as failure:
                    self._go_on(failure)
            self._flow.stop()
            while waiting and self._flow.reached(waiting[0].index):
                yield self._given(waiting.popleft())
            self._session.finish()
        finally:
            self.close()

    def close(self) -> None:
        """Ends the session at any point; waits for the video element that is being read."""
        self.cancel()
        with self._reading:
            self._session.close()
        if isinstance(self._elements, Latest):
            self._elements.join()

    def cancel(self) -> None:
        """Ends the session without waiting for anything."""
        self._failure = self._failure or RuntimeError("the stream was closed")
        if isinstance(self._elements, Latest):
            self._elements.stop()
        self._closed.set()
        self._vigil.end()
        self._flow.stop()
        if self._call is not None:
            self._call.cancel()

    def _open(self, elements: Iterator[Any]) -> None:
        """Opens a call: the session's first, or one that resumes it."""
        self._calls += 1
        self._answered, number = False, self._calls
        self._vigil.seconds = self._attempts.patience
        called = threading.Event()
        messages = self._messages(number, called, elements)
        self._flow.mend()
        self._call = self._way.stub.Stream(messages, timeout=self._attempts.seconds_left())
        if self._failure is not None:  # closed before there was a call to cancel
            self._call.cancel()
        if not self._call.add_callback(lambda: self._ended(number)):
            self._ended(number)
        called.set()

    def _ended(self, number: int) -> None:
        if number == self._calls:
            self._flow.break_off()

    def _frames(self) -> Iterator[Frame | None]:
        """Yields new frames; None for any other message."""
        responses = iter(self._call)
        while True:
            with self._vigil.wait():
                response = next(responses, None)
            if response is None:
                return
            if not self._answered:
                self._answered = True
                self._resumes += self._calls > 1
            frame = self._session.receive(response)
            if frame is None or frame.index < self._received:
                yield None  # a frame that was made again
                continue
            if frame.index > self._received and self._calls > 1:
                raise ServerError(f"frame {frame.index} arrived, expected {self._received}")
            self._received = frame.index + 1
            self._attempts.progress()
            if response.frame.resume_token:
                self._unanswered.answer(response.frame.resume_token, self._received)
            yield frame

    def _go_on(self, failure: grpc.RpcError) -> None:
        """Prepares another call; raises the reason if there cannot be one."""
        if self._failure is not None:
            raise self._failure from failure
        reason = self._attempts.reason(failure, self._way.target, self._timeout)
        # Do not wait for servers that have never heard of this session.
        others = self._calls < len(self._ways.all) or self._session.has_begun
        worth = self._attempts.worth(failure, goes_on=self._calls > 1)
        if not (worth and others and self._unanswered.can_go_on):
            raise reason from failure
        pause = self._attempts.pause()
        if pause is None:
            raise reason from failure
        self._attempts.note(reason)
        self._way = self._ways.after(self._way)
        if self._closed.wait(pause):
            raise self._failure or RuntimeError("the stream was closed") from failure

    def _is_owed(self) -> bool:
        """Returns whether the server owes a response."""
        if not self._answered or self._read_all:
            return True
        session = self._session
        due = session.pattern.next_expected(session.newest_sent + 1)
        stretch = min(session.pattern.group_frames, _STRETCH_FRAMES)
        return due - self._received >= stretch

    def _give_up_waiting(self) -> None:
        if self._attempts.persevering and self._unanswered.can_go_on:
            self._attempts.hung = True
            self._call.cancel()

    def _given(self, frame: Frame) -> Frame:
        self._flow.give(frame.index)
        self._session.give(frame)
        return frame

    def _read_first(self, elements: Iterator[Any]) -> None:
        """Reads up to the first messages; raises what the video raises, or that it is empty."""
        while self._unanswered.next(0) is None:
            if not self._next(elements, self._calls):
                raise self._failure or InvalidRequestError("the video is empty")

    def _messages(
        self, number: int, called: threading.Event, elements: Iterator[Any]
    ) -> Iterator[StreamRequest]:
        """Yields the messages that call `number` sends."""
        called.wait()
        opening, place = self._unanswered.begin()
        for message in opening:
            yield from self._written(message)
        while number == self._calls:
            following = self._unanswered.next(place)
            if following is not None:
                place += 1
                yield from self._written(following)
                if following.HasField("end"):
                    return
            elif not self._next(elements, number):
                return

    def _written(self, message: StreamRequest) -> Iterator[StreamRequest]:
        self._flow.write(begins=True)
        yield message
        self._flow.write(begins=False)

    def _next(self, elements: Iterator[Any], number: int) -> bool:
        """Reads on; returns whether there may be something for call `number` to send."""
        while not self._flow.wait_for_room(_AGAIN_SECONDS):
            if number != self._calls:
                return False
            if again := self._session.again():
                self._unanswered.add(again, [])
                return True
        with self._reading:
            if self._failure is not None or self._flow.over or number != self._calls:
                return False
            if self._read_all:
                return False
            try:
                return self._read(elements)
            except Exception as error:
                self._failure = self._failure or error
                if self._call is not None:
                    self._call.cancel()
                return False

    def _read(self, elements: Iterator[Any]) -> bool:
        if not self._session.complete:
            before = self._session.newest_sent
            messages = self._session.send_next(elements)
            if messages is not None:
                sent = self._session.newest_sent
                self._unanswered.add(messages, self._session.take_ends())
                new = sent if sent != before else None
                self._flow.read(self._session.frames_read, new)
                return True
        messages = self._session.end()
        self._unanswered.add(messages, self._session.take_ends())
        self._read_all = True
        self._flow.end()
        return bool(messages)
