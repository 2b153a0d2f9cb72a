"""The overhead of gRPC and HTTP/2 per message, counted on a connection from outside."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import grpc
import pytest

from motioncast.evaluate.rate.stream import GRPC_FRAMING_BYTES

MESSAGES = 100
METHOD = "/test.Sink/Run"


class Counter:
    """Forwards one connection and counts the client's bytes."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._beyond = socket.create_connection(("127.0.0.1", port))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        near, _ = self._listening.accept()
        back = threading.Thread(target=self._pass, args=(self._beyond, near, False))
        back.start()
        self._threads.append(back)
        self._pass(near, self._beyond, True)

    def _pass(self, here: socket.socket, there: socket.socket, counted: bool) -> None:
        with here, suppress(OSError):  # the other side may have closed
            while data := here.recv(65536):
                if counted:
                    self.sent += len(data)
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for thread in self._threads:
            thread.join(timeout=10)
        self._listening.close()


@contextmanager
def listening(heard: threading.Semaphore) -> Iterator[int]:
    """Serves a stream of requests, signalling each one; yields the port."""

    def run(requests: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
        for _request in requests:
            heard.release()
        return b""

    server = grpc.server(ThreadPoolExecutor(2))
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(run)
    handlers = {"Run": handler}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Sink", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def bytes_of(messages: int, size: int) -> int:
    """Returns the bytes a client sends for a stream of messages, each after the last arrived."""
    heard = threading.Semaphore(1)

    def requests() -> Iterator[bytes]:
        for _ in range(messages):
            heard.acquire()
            yield bytes(size)

    with listening(heard) as port:
        counter = Counter(port)
        with grpc.insecure_channel(f"127.0.0.1:{counter.port}") as channel:
            call: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(METHOD)
            call(requests())
        counter.close()
    return counter.sent


def test_a_message_takes_the_stated_bytes_more() -> None:
    few, many = (bytes_of(count, 20) for count in (1, 1 + MESSAGES))
    assert (many - few) / MESSAGES - 20 == pytest.approx(GRPC_FRAMING_BYTES, abs=1)
