"""Limits the connections of a server to fewer than the files that the process may open."""

from __future__ import annotations

from typing import Final

SERVERS: Final = 8  # sharing a process's file limit: a stack has five, each with gRPC and HTTP
_SPARE_FILES: Final = 64  # models, logs, outgoing connections
_LEAST: Final = 4


def raise_file_limit() -> None:
    """Raises the limit of open files to the system's maximum, which is not the default."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connections_within_limit(wanted: int) -> int:
    """Returns how many of the wanted connections one server may accept, at least a few.

    With more connections than the process may open files, accepting would keep failing, and so
    would everything else that opens a file.
    """
    try:
        import resource
    except ImportError:
        return wanted
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(_LEAST, min(wanted, (soft - _SPARE_FILES) // SERVERS))
