"""Waits for the signal to stop."""

from __future__ import annotations

import asyncio
import signal

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def wait_for_signal() -> signal.Signals:
    """Returns the first SIGTERM or SIGINT received.

    After that the signals act normally again, so that a second one ends a drain that takes too
    long. Only the main thread can wait.
    """
    loop = asyncio.get_running_loop()
    received: asyncio.Future[signal.Signals] = loop.create_future()

    def receive(number: signal.Signals) -> None:
        if not received.done():
            received.set_result(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, receive, number)
    try:
        return await received
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
