"""RelayService: senders publish, others watch; of forwarded packets only the header is read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Final

from motioncast.relay import door
from motioncast.relay.metrics import RelayMetrics
from motioncast.relay.pace import ReadingPace
from motioncast.relay.room import Room
from motioncast.relay.rooms import Rooms
from motioncast.relay.settings import MAX_PUBLISHED_BYTES, UNIT_BYTES, RelaySettings
from motioncast.relay.watcher import Watcher
from motioncast.serving import (
    MAX_QUESTION_BYTES,
    Context,
    Metrics,
    Registration,
    caller,
    patience,
)
from motioncast.serving.beside import beside
from motioncast.v1 import relay_pb2
from motioncast.v1.relay_pb2 import (
    PublishRequest,
    PublishResponse,
    Watched,
    WatchRequest,
    WatchResponse,
)
from motioncast.v1.relay_pb2 import Room as RoomMessage
from motioncast.v1.relay_pb2_grpc import RelayServiceServicer, add_RelayServiceServicer_to_server
from motioncast.wire.errors import InvalidInputError, OutOfOrderError

_FEEDBACK_SECONDS: Final = 0.02  # the least interval between two messages
_log: Final = logging.getLogger(__name__)


def registration(settings: RelaySettings, metrics: Metrics) -> Registration:
    """Returns the service to register.

    Args:
        settings: Its limits; they replace a server's limits for calls in general.
        metrics: Where everything is counted.
    """
    servicer = RelayServicer(settings, RelayMetrics(metrics.registry))
    return Registration(
        name=relay_pb2.DESCRIPTOR.services_by_name["RelayService"].full_name,
        add=partial(add_RelayServiceServicer_to_server, servicer),
        unlimited_methods=frozenset({"Publish", "Watch"}),
        on_drain=servicer.rooms.drain,
        max_request_bytes={"Publish": MAX_PUBLISHED_BYTES, "Watch": MAX_QUESTION_BYTES},
        calls_per_second=settings.calls_per_second,
    )


class RelayServicer(RelayServiceServicer):
    """Serves rooms, independent of one another."""

    def __init__(self, settings: RelaySettings, metrics: RelayMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.rooms = Rooms(settings)

    async def Publish(
        self, request_iterator: AsyncIterator[PublishRequest], context: Context
    ) -> AsyncGenerator[PublishResponse, None]:
        first = await anext(request_iterator, None)
        opening, size = door.read_opening(first), first.ByteSize() if first else 0
        patience().wait_longer(opening.predicted_frames / opening.frame_rate)
        with self.rooms.open(opening, caller(context)) as room:
            self._metrics.rooms.inc()
            _log.info("room %s: opened, %s", room.name, opening.model)
            try:
                self._metrics.receive("config", size)
                yield self._answer(room)
                async with beside(self._publish(request_iterator, room)):
                    while (feedback := await room.feedback()) is not None:
                        response = PublishResponse(feedback=feedback)
                        self._metrics.send("feedback", response.ByteSize())
                        yield response
                        await asyncio.sleep(_FEEDBACK_SECONDS)
            finally:
                self._metrics.rooms.dec()
                _log.info("room %s: closed at frame %d", room.name, room.next_index)

    async def Watch(
        self, request_iterator: AsyncIterator[WatchRequest], context: Context
    ) -> AsyncGenerator[WatchResponse, None]:
        first = await anext(request_iterator, None)
        join, size = door.read_join(first), first.ByteSize() if first else 0
        with self.rooms.watch(join, caller(context)) as (room, watcher):
            self._metrics.watchers.inc()
            try:
                self._metrics.receive("config", size)
                watched = Watched(
                    opening=room.opening,
                    next_index=room.next_index,
                    max_unacknowledged_packets=self._settings.max_waiting_packets,
                )
                yield self._counted(WatchResponse(watched=watched))
                async with beside(self._acknowledge(request_iterator, room, watcher)):
                    while (response := await watcher.next()) is not None:
                        yield self._counted(response)
            finally:
                self._metrics.watchers.dec()

    async def _publish(self, requests: AsyncIterator[PublishRequest], room: Room) -> None:
        """Processes a sender's messages until it is done."""
        pace = ReadingPace(self._settings.published_per_second)
        try:
            async for request in requests:
                size = request.ByteSize()
                if self._take(request, size, room):
                    return
                await pace.spend(max(1.0, size / UNIT_BYTES))
            room.lose()
        except Exception as error:  # raised where the call is answered
            room.fail_sender(error)

    def _take(self, request: PublishRequest, size: int, room: Room) -> bool:
        """Processes one message; returns whether it was the last."""
        kind = request.WhichOneof("message")
        if kind == "packet":
            packet, frames = door.checked_packet(request.packet, room)
            self._metrics.receive("keypoints", size, len(request.packet.data))
            before = room.missed
            room.pass_on(packet, frames)
            self._metrics.packets.labels("missed").inc(room.missed - before)
        elif kind == "source":
            self._metrics.receive("source", size)
            room.add_source(door.checked_source(request.source, room))
        elif kind == "end":
            self._metrics.receive("config", size)
            room.end(door.checked_end(request.end, room), request.end.skipped_frames)
        elif kind == "alive":
            self._metrics.receive("config", size)
        elif kind == "opening":
            raise OutOfOrderError("opening: was sent twice", field="opening")
        else:
            raise InvalidInputError.of(
                "message", "contains none of opening, source, packet, end and alive"
            )
        return kind == "end"

    async def _acknowledge(
        self, requests: AsyncIterator[WatchRequest], room: Room, watcher: Watcher
    ) -> None:
        """Processes a watcher's messages."""
        pace = ReadingPace(self._settings.acknowledged_per_second)
        try:
            async for request in requests:
                kind = request.WhichOneof("message")
                if kind == "join":
                    raise OutOfOrderError("join: was sent twice", field="join")
                if kind != "acknowledgement":
                    raise InvalidInputError.of(
                        "message", "contains neither join nor acknowledgement"
                    )
                self._metrics.receive("feedback", request.ByteSize())
                room.acknowledge(watcher, request.acknowledgement)
                await pace.spend(1)
        except Exception as error:  # raised where the call is answered
            watcher.fail(error)

    def _answer(self, room: Room) -> PublishResponse:
        response = PublishResponse(
            room=RoomMessage(name=room.name, watch_token=room.token, max_watchers=room.max_watchers)
        )
        self._metrics.send("config", response.ByteSize())
        return response

    def _counted(self, response: WatchResponse) -> WatchResponse:
        size = response.ByteSize()
        if response.HasField("packet"):
            self._metrics.send("keypoints", size, len(response.packet.data))
        else:
            self._metrics.send("source" if response.HasField("source") else "config", size)
        return response
