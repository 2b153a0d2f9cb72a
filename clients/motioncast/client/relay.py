"""Two ends of a room over gRPC, for code that blocks.

with service.publish(opening, tables) as published:
    print(published.room, published.token)
    published.set_source(0, image, keypoints)
    for index, keypoints in enumerate(track): published.push(index, keypoints)

with service.watch(room, token) as watching:
    models = ReceiverModels.of(repository, watching.opening.model)
    for frame in watching.frames(models): show(frame.image, frame.origin)
"""

from __future__ import annotations

from motioncast.client.publication import SyncPublication
from motioncast.client.sender import Sender
from motioncast.client.two_ends import (
    Opening,
)
from motioncast.client.watching import SyncWatching
from motioncast.codec.tables_file import ModelTables
from motioncast.sending import Policy
from motioncast.v1.relay_pb2_grpc import RelayServiceStub


class SyncRelay:
    """The relay calls of a server."""

    def __init__(self, stub: RelayServiceStub, target: str) -> None:
        self._stub = stub
        self._target = target

    def publish(
        self,
        opening: Opening,
        tables: ModelTables,
        policy: Policy | None,
        wait_frames: int,
        coarseness: int,
    ) -> SyncPublication:
        """Returns a room to open; see `SyncService.publish`."""
        sender = Sender(
            opening, tables, policy=policy, wait_frames=wait_frames, coarseness=coarseness
        )
        return SyncPublication(self._stub, self._target, opening, sender)

    def watch(self, room: str, token: str) -> SyncWatching:
        """Returns a room to enter; see `SyncService.watch`."""
        return SyncWatching(self._stub, self._target, room, token)
