"""The only grpc interceptor: runs every call, of any kind, through the kernel's layers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from motioncast.serving.call import Call, Context, Layer, Proceed
from motioncast.serving.elements import Fields, check_elements, request_fields
from motioncast.wire.errors import InvalidInputError

_KINDS = {
    (False, False): "unary",
    (True, False): "client_stream",
    (False, True): "server_stream",
    (True, True): "bidi_stream",
}

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in the stubs only


class Pipeline(grpc.aio.ServerInterceptor):
    """Runs every call through the layers, the first of them outermost.

    grpc passes the bytes of messages, so their exact sizes are known, and one that is too large is
    refused before it is parsed.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None  # grpc answers UNIMPLEMENTED
        _, service, method = handler_call_details.method.split("/")
        proceed: Proceed = partial(_serve, handler)
        for layer in reversed(self._layers):
            proceed = partial(layer, proceed=proceed)
        kind = _KINDS[handler.request_streaming, handler.response_streaming]
        return _raw_handler(handler, partial(Call, service, method, kind), proceed)


def _raw_handler(handler: Handler, new_call: Callable[..., Call], proceed: Proceed) -> Handler:
    """Returns a handler of the same kind that receives and returns bytes."""

    async def respond_once(_: Any, context: Context) -> bytes:
        responses: list[bytes] = []

        async def send(message: bytes) -> None:
            responses.append(message)

        await proceed(new_call(context, partial(_read, context), send, context.peer()))
        return responses[0]

    # A coroutine that writes, not a generator: when the client disconnects, the cancellation then
    # surfaces inside the layers and the servicer, and not in whatever iterates over them.
    async def respond_stream(_: Any, context: Context) -> None:
        send = partial(_write, context)
        await proceed(new_call(context, partial(_read, context), send, context.peer()))

    # On the wire, a call with one request is the same as a stream of one. Handled as a stream, it
    # begins before its request has arrived, and the layers can limit how long that takes.
    make: Any = (
        grpc.stream_stream_rpc_method_handler
        if handler.response_streaming
        else grpc.stream_unary_rpc_method_handler
    )
    raw: Handler = make(respond_stream if handler.response_streaming else respond_once)
    return raw


async def _read(context: Context) -> bytes | None:
    message = await context.read()
    return None if message is grpc.aio.EOF else message


async def _write(context: Context, message: bytes) -> None:
    try:
        await context.write(message)
    except grpc.aio.InternalError:
        # The client disconnected, and the cancellation is still on its way.
        raise asyncio.CancelledError from None


async def _serve(handler: Handler, call: Call) -> None:
    """Deserialises the request, runs the servicer, serialises the responses."""
    serialise: Any = handler.response_serializer
    behaviour: Any = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    requests = _Requests(call, handler, request_fields(call.service, call.method))
    request = requests if handler.request_streaming else await requests.only()
    if not handler.response_streaming:
        await call.send(serialise(await behaviour(request, call.context)))
        return
    async with aclosing(behaviour(request, call.context)) as responses:
        async for response in responses:
            await call.send(serialise(response))


class _Requests(AsyncIterator[Any]):
    """The messages of a call, deserialised as they arrive."""

    def __init__(self, call: Call, handler: Handler, fields: Fields | None) -> None:
        self._call = call
        self._fields = fields
        self._deserialise: Any = handler.request_deserializer

    async def only(self) -> Any:
        """Returns the single request of a call that has only one."""
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise InvalidInputError.of("message", "the call ended before its request") from None

    async def __anext__(self) -> Any:
        data = await self._call.receive()
        if data is None:
            raise StopAsyncIteration
        if self._fields is not None:
            check_elements(data, self._fields)
        try:
            return self._deserialise(data)
        except DecodeError:
            raise InvalidInputError.of(
                "message", f"{len(data)} bytes are not a request of {self._call.method}"
            ) from None
