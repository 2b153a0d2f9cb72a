"""Whether the services of a server could serve a call now: what health and /ready tell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from motioncast.serving.registration import Registration

_log = logging.getLogger(__name__)


class Readiness:
    """Asks the services; once draining begins, nothing is ready any more.

    Args:
        registrations: The services.
        timeout_seconds: A service that takes longer to answer is not ready.
    """

    def __init__(self, registrations: Sequence[Registration], timeout_seconds: float) -> None:
        self._registrations = {registration.name: registration for registration in registrations}
        self._timeout_seconds = timeout_seconds
        self.draining = asyncio.Event()

    def knows(self, service: str) -> bool:
        """Tells whether there is such a service; "" is all of them together."""
        return service == "" or service in self._registrations

    async def of(self, service: str = "") -> bool:
        """Tells whether a service is ready; "" asks whether all of them are.

        Raises:
            KeyError: When there is no such service.
        """
        if self.draining.is_set():
            return False
        if service == "":
            return all(await asyncio.gather(*map(self._ask, self._registrations.values())))
        return await self._ask(self._registrations[service])

    async def _ask(self, registration: Registration) -> bool:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await registration.ready()
        except Exception as error:
            _log.warning("%s is not ready: %r", registration.name, error)
            return False
