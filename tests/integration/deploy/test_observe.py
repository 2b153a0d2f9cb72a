"""`make observe` prints all addresses, streams, and ends everything it started.

Processes killed or suspended meanwhile, to trigger an alert, do not affect the others.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[3]
SECONDS = 180.0  # on a busy machine


async def read(url: str) -> str:
    """Returns the body of a local URL; raises OSError if nothing listens there."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    writer.write(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer.partition("\r\n\r\n")[2]


async def frames_returned(metrics: str) -> float:
    """Returns the number of frames an orchestrator has returned so far."""
    families = text_string_to_metric_families(await read(metrics))
    samples = (sample for one in families for sample in one.samples)
    return sum(one.value for one in samples if one.name == "motioncast_frames_total")


async def test_everything_is_named_streams_and_ends(toy_repository: Path) -> None:
    command = [sys.executable, "deploy/observe.py", "--models", str(toy_repository)]
    command += ["--without", "triton", "--without", "grafana", "--rate", "50"]
    async with asyncio.timeout(SECONDS):
        running = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert running.stdout is not None
        assert running.stderr is not None
        said = ""
        while "Ctrl-C" not in said:
            line = await running.stdout.readline()
            assert line, f"it ended after {said}"
            said += line.decode()
        found = re.findall(r"^  (\w+) +(http://\S+) +process (\d+)$", said, re.MULTILINE)
        places = {name: place for name, place, _ in found}
        numbers = {name: int(number) for name, _, number in found}
        assert {"orchestrator", "keypoint", "predictor", "synthesis", "relay"} <= places.keys()
        assert "prometheus" in places or "not found; install Debian" in said
        for name, place in places.items():
            assert await read(place), name
        while await frames_returned(places["orchestrator"]) < 20:
            assert running.returncode is None
        os.kill(numbers["relay"], signal.SIGKILL)  # as one does to trigger an alert
        while "relay exited with code -9" not in (
            ends := (await running.stderr.readline()).decode()
        ):
            assert ends, "it ended with the relay"
        again = (await running.stderr.readline()).decode()
        assert "serve relay" in again
        os.kill(numbers["predictor"], signal.SIGSTOP)  # a suspended process must end as well
        assert await read(places["orchestrator"])
        running.send_signal(signal.SIGINT)
        await running.communicate()
        assert running.returncode == 0
    for place in places.values():
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await read(place)
