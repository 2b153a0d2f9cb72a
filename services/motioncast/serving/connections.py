"""How many connections a server accepts: always fewer than the files that it may open."""

from __future__ import annotations

from typing import Final

SERVERS: Final = 8  # share what one process may open: a stack has five, each with gRPC and HTTP
_SPARE_FILES: Final = 64  # models, logs, connections of our own
_LEAST: Final = 4


def raise_file_limit() -> None:
    """Lets the process open as many files as the system allows it, which is not the default."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connections_within_limit(wanted: int) -> int:
    """Returns how many of the connections wanted one server may take, at least a few.

    Were there more than the process may open files, accepting would fail again and again, and
    with it all that opens a file.
    """
    try:
        import resource
    except ImportError:
        return wanted
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(_LEAST, min(wanted, (soft - _SPARE_FILES) // SERVERS))
