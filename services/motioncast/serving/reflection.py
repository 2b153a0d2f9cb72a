"""Server reflection (v1alpha), which lets grpcurl and similar tools discover the methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

import grpc.aio
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from motioncast.serving import health
from motioncast.serving.call import Context

SERVICE_NAME = reflection.SERVICE_NAME


def add_reflection(
    server: grpc.aio.Server, service_names: Iterable[str], draining: asyncio.Event
) -> None:
    """Adds reflection of these services, of health and of reflection itself to the server."""
    names = (*service_names, health.SERVICE_NAME, SERVICE_NAME)
    servicer = ReflectionServicer(names, draining)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
        servicer, server
    )


class ReflectionServicer(reflection_pb2_grpc.ServerReflectionServicer):
    """Answers like the library's servicer, but its calls end when draining begins."""

    def __init__(self, service_names: Iterable[str], draining: asyncio.Event) -> None:
        self._answers: Any = reflection.aio.ReflectionServicer(service_names)
        self._draining = draining

    async def ServerReflectionInfo(
        self, request_iterator: AsyncIterator[Any], context: Context
    ) -> AsyncIterator[Any]:
        async with aclosing(_until(self._draining, request_iterator)) as requests:
            async for response in self._answers.ServerReflectionInfo(requests, context):
                yield response


async def _until(event: asyncio.Event, items: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Yields the items until there are no more or the event is set."""
    ended = asyncio.ensure_future(event.wait())
    try:
        while True:
            item = asyncio.ensure_future(anext(items))
            try:
                await asyncio.wait((item, ended), return_when=asyncio.FIRST_COMPLETED)
                if not item.done():
                    return
                yield item.result()
            except StopAsyncIteration:
                return
            finally:
                item.cancel()
    finally:
        ended.cancel()
