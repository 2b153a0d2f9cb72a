"""The secret that a client has to send before the server loads models or maps memory for it.

Triton accepts it only on its command line, which /proc shows to everybody on the machine. So it is
overwritten there as soon as the server has read it.
"""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from typing import Final

from motioncast.inference.kserve.settings import SECRET_HEADER
from motioncast.triton.reaper import SECRET_PLACEHOLDER

_log = logging.getLogger(__name__)

# Protocols that can read, write or run foreign data: models contain code, regions contain frames.
_RESTRICTED: Final = ("model-repository", "shared-memory", "trace", "logging")
_HEADERS_PREFIX: Final = "triton-grpc-protocol-"  # of the key in the option
_ARGUMENTS: Final = (45, 46)  # start and end of arguments: fields of /proc/PID/stat after the name


def new_secret() -> str:
    """Returns a secret that cannot be guessed."""
    return secrets.token_urlsafe(32)


def restriction() -> str:
    """Returns the server's option; the reaper inserts the secret."""
    key = SECRET_HEADER.removeprefix(_HEADERS_PREFIX)
    return f"--grpc-restricted-protocol={','.join(_RESTRICTED)}:{key}={SECRET_PLACEHOLDER}"


def hide_secret(pid: int, secret: str) -> bool:
    """Overwrites a secret in a process's command line; returns whether that succeeded.

    Args:
        pid: A process that was started from here, and has read its command line.
        secret: ASCII.
    """
    wanted = secret.encode("ascii")
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        start, end = (int(fields[place]) for place in _ARGUMENTS)
        memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
        try:
            place = os.pread(memory, end - start, start).find(wanted)
            if place >= 0:
                os.pwrite(memory, b"*" * len(wanted), start + place)
        finally:
            os.close(memory)
        return wanted not in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, IndexError) as error:
        _log.debug("the secret in the command line of %d could not be hidden: %s", pid, error)
        return False
