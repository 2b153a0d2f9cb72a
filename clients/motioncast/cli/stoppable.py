"""asyncio.run for commands that may be told to stop."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_stoppable(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end; SIGTERM cancels it and then exits with 143.

    asyncio does the same for Ctrl-C. An exception raised by the signal's handler wherever the
    program happens to be could leave gRPC amid the start of a call, whose end its channel would
    then await for ever.
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
