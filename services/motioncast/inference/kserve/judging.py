"""Judges model servers by their responses: failed, silent, or healthy again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tritonclient.grpc import service_pb2

from motioncast.inference.kserve.link import Link
from motioncast.replicas.judging import Judgement
from motioncast.wire.errors import DomainError

_WELL_SECONDS: Final = 1.0  # at least, for repeating the run that a server was excluded for


def is_passing(error: Exception) -> bool:
    """Returns whether another server, or the same one a little later, may succeed."""
    return isinstance(error, DomainError) and bool(error.retry_after_seconds)


async def _answers(
    link: Link, begin: Callable[[Link, None], Awaitable[Any]], seconds: float
) -> bool:
    """Returns whether a server answers the call that it was excluded for.

    Its health check is not enough: Triton reports that it is healthy while a model's process hangs.
    """
    try:
        async with asyncio.timeout(max(seconds, _WELL_SECONDS)):
            await begin(link, None)
    except TimeoutError:
        return False
    except Exception as error:
        return not is_passing(error)
    return True


async def _is_alive(link: Link, kind: Any) -> bool:
    """Returns whether a server has the model of a run loaded; of other calls, whether it answers.

    A model whose process has died is reloaded, while the runs that were in it stay unanswered.
    """
    try:
        if kind is None:
            await link.ask("ServerLive", service_pb2.ServerLiveRequest())
            return True
        model, _ = kind
        answer = await link.ask("ModelReady", service_pb2.ModelReadyRequest(name=model), known=True)
    except Exception as error:  # a server may not have this method, and serve well
        return not is_passing(error)
    return bool(answer.ready)


# This does not wait for a server to come back: `_persist` does, for `retry_seconds`.
RUNS: Final = Judgement(is_passing, _answers, _is_alive, down_seconds=0.0)
