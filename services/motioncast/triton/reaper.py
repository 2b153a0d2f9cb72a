"""The process between us and the server: stops the server and cleans up, even if we are killed.

    python -I reaper.py DRAIN_SECONDS FOLDER SHARED_MEMORY_PREFIX COMMAND...

It prints `started PID` and `ended CODE` on standard output, and connects the server to its standard
error. When its standard input closes, because the supervisor stops the server or has itself been
killed, the server is terminated (SIGTERM) and, after the limit, killed. However it ended, its
processes are killed, and the folder and its shared memory are removed. Imports only the standard
library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

SHARED_MEMORY: Final = Path("/dev/shm")
SECRET_VARIABLE: Final = "MOTIONCAST_TRITON_SECRET"  # in our environment, which others cannot read
SECRET_PLACEHOLDER: Final = "{secret}"  # in the command line, which they can
_UMASK: Final = 0o077  # files and shared memory are for this user only
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
# struct sock_filter: operation, jump offsets (true, false), operand. On x86_64:
_NO_FCHMOD: Final = (
    (0x20, 0, 0, 4),  # load seccomp_data.arch
    (0x15, 0, 3, 0xC000003E),  # AUDIT_ARCH_X86_64, else allow
    (0x20, 0, 0, 0),  # load seccomp_data.nr
    (0x15, 0, 1, 91),  # fchmod, else allow
    (0x06, 0, 0, 0x00050000),  # SECCOMP_RET_ERRNO of 0: as if it had succeeded
    (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
)
_GONE_SECONDS: Final = 5.0  # zombies that no process reaps stay in their group


def main() -> None:
    """Runs the command until it ends or standard input closes."""
    drain_seconds, folder, prefix, *command = sys.argv[1:]
    secret = os.environ.pop(SECRET_VARIABLE, "")
    command = [part.replace(SECRET_PLACEHOLDER, secret) for part in command]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # only the end of standard input stops us
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = _run(command, float(drain_seconds))
    finally:
        clear(Path(folder), prefix)
    _tell(f"ended {code}")


def clear(folder: Path, prefix: str) -> None:
    """Removes whatever a server that has ended may have left behind."""
    shutil.rmtree(folder, ignore_errors=True)
    for region in SHARED_MEMORY.glob(f"{prefix}*"):
        region.unlink(missing_ok=True)


def _run(command: list[str], drain_seconds: float) -> int:
    libc = ctypes.CDLL(None)
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        umask=_UMASK,
        process_group=0,  # shared with the backends' processes, so that all can be killed
        preexec_fn=lambda: _prepare(libc),
    )
    try:
        _tell(f"started {server.pid}")
        ended = os.pidfd_open(server.pid)
        readable, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
        if ended not in readable:
            server.terminate()
        return server.wait(drain_seconds)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()
    finally:
        _kill_group(server)


def _prepare(libc: ctypes.CDLL) -> None:
    """Ties this process, about to become the server, to ours, and its files to its user.

    Triton makes its shared memory readable by everybody after creating it, which bypasses the umask
    (fchmod). In this process that call does nothing; where the kernel does not support such a
    filter, the supervisor revokes the permission.
    """
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if platform.machine() == "x86_64":
        program = b"".join(struct.pack("HBBI", *instruction) for instruction in _NO_FCHMOD)
        filters = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("HxxxxxxP", len(_NO_FCHMOD), ctypes.addressof(filters))
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header)


def _kill_group(server: subprocess.Popen[bytes]) -> None:
    """Kills what is left of the server's processes; returns when they are gone."""
    with contextlib.suppress(ProcessLookupError):  # none is left
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        until = time.monotonic() + _GONE_SECONDS
        while time.monotonic() < until:
            os.killpg(server.pid, 0)
            time.sleep(0.01)


def _tell(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        sys.stdout = None  # the supervisor is gone


if __name__ == "__main__":
    main()
