"""The secret that a client has to send before the server loads models or maps memory for it.

Triton takes it in its command line alone, which /proc shows to everybody on the machine. So it is
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

# What can read, write or run what it is not given: code comes with a model, regions have frames.
_RESTRICTED: Final = ("model-repository", "shared-memory", "trace", "logging")
_HEADERS_PREFIX: Final = "triton-grpc-protocol-"  # of the key that the option names
_ARGUMENTS: Final = (45, 46)  # where they begin and end: places in /proc/PID/stat after the name


def new_secret() -> str:
    """Returns a secret that cannot be guessed."""
    return secrets.token_urlsafe(32)


def restriction() -> str:
    """Returns the server's option; the reaper puts the secret in its place."""
    key = SECRET_HEADER.removeprefix(_HEADERS_PREFIX)
    return f"--grpc-restricted-protocol={','.join(_RESTRICTED)}:{key}={SECRET_PLACEHOLDER}"


def hide_secret(pid: int, secret: str) -> bool:
    """Overwrites a secret in the command line of a process; returns whether that could be done.

    Args:
        pid: Of a process that was started from here, and has read its command line.
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
        _log.debug("the command line of %d: %s", pid, error)
        return False
