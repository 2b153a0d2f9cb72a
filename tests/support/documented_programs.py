"""Runs the programs printed in documents as a reader would."""

from __future__ import annotations

import subprocess
import sys
from asyncio import create_subprocess_exec
from pathlib import Path

from motioncast.local import LocalServices, LocalSettings


async def printed(program: str, folder: Path, repository: Path) -> str:
    """Runs a program in the folder against the four services; returns its output."""
    async with LocalServices(
        LocalSettings(repository=repository, drain_grace_seconds=0.5)
    ) as local:
        process = await create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-c",
            program.replace("localhost:50050", local.target),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
