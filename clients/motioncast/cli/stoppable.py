"""asyncio.run for commands that can be stopped by a signal."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_stoppable(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end; SIGTERM cancels it and then exits with 143.

    asyncio does the same for Ctrl-C. A signal handler that raises an exception at an arbitrary
    point could interrupt gRPC while it starts a call, and its channel would then wait forever for
    the call to end.
    """
    before = signal.getsignal(signal.SIGTERM)
    stopped = False

    async def watched() -> T:
        nonlocal stopped
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            nonlocal stopped
            stopped = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        return await main

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        if stopped:
            sys.exit(128 + signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
