"""Whether a server's services could serve a call now, as health and /ready report it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence

from motioncast.serving.registration import Registration

_log = logging.getLogger(__name__)


class Readiness:
    """Queries the services; once draining begins, nothing is ready any more.

    Concurrent queries of a service share one answer.

    Args:
        registrations: The services.
        timeout_seconds: A service that takes longer to answer is not ready.
    """

    def __init__(self, registrations: Sequence[Registration], timeout_seconds: float) -> None:
        self._registrations = {registration.name: registration for registration in registrations}
        self._timeout_seconds = timeout_seconds
        self._asking: dict[str, asyncio.Task[bool]] = {}
        self._problems: dict[str, str] = {}  # logged when they change, not at every query
        self.draining = asyncio.Event()

    def knows(self, service: str) -> bool:
        """Returns whether the service exists; "" means all of them together."""
        return service == "" or service in self._registrations

    async def of(self, service: str = "") -> bool:
        """Returns whether a service is ready; for "", whether all of them are.

        Raises:
            KeyError: There is no such service.
        """
        if self.draining.is_set():
            return False
        if service == "":
            return all(await asyncio.gather(*map(self._share, self._registrations)))
        return await self._share(self._registrations[service].name)

    async def _share(self, name: str) -> bool:
        task = self._asking.get(name)
        if task is None or task.done():
            task = asyncio.create_task(self._ask(self._registrations[name]))
            self._asking[name] = task
        return await asyncio.shield(
            task
        )  # cancelling one caller does not cancel it for other callers

    async def _ask(self, registration: Registration) -> bool:
        problem = ""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                ready = await registration.ready()
        except Exception as error:
            ready, problem = False, repr(error)
        if problem and problem != self._problems.get(registration.name):
            _log.warning("%s is not ready: %s", registration.name, problem)
        self._problems[registration.name] = problem
        return ready


class Watched:
    """One service's readiness, polled once for all of its watchers.

    Args:
        readiness: The readiness to poll.
        service: Name of the service; "" for all.
        poll_seconds: Interval between polls.
    """

    def __init__(self, readiness: Readiness, service: str, poll_seconds: float) -> None:
        self._readiness = readiness
        self._service = service
        self._poll_seconds = poll_seconds
        self._ready: bool | None = None  # None: unknown, because nobody watches
        self._news = asyncio.Event()
        self._watchers = 0
        self._looking: asyncio.Task[None] | None = None

    async def changes(self) -> AsyncGenerator[bool, None]:
        """Yields whether the service is ready, now and at every change, until draining begins."""
        self._watchers += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        told: bool | None = None
        try:
            while True:
                news, draining = self._news, self._readiness.draining.is_set()
                ready = False if draining else self._ready
                if ready is not None and ready != told:
                    told = ready
                    yield ready
                    continue  # it may have changed meanwhile
                if draining:
                    return
                await news.wait()
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._looking.cancel()
                self._looking, self._ready = None, None

    async def _look(self) -> None:
        draining = self._readiness.draining
        while not draining.is_set():
            ready = await self._readiness.of(self._service)
            if ready != self._ready:
                self._ready = ready
                self._tell()
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await draining.wait()
            except TimeoutError:
                continue
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
