"""No request fails when one of Triton's processes is killed."""

from __future__ import annotations

import asyncio
import os
import signal

import numpy as np
import pytest
from support.subjects import Subject

from motioncast.triton.stubs import find_stubs

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("subject", ["triton"], indirect=True)
async def test_a_killed_process_under_load_fails_no_request(subject: Subject) -> None:
    assert subject.triton is not None
    assert subject.triton.pid is not None
    [killed] = [stub.pid for stub in find_stubs(subject.triton.pid) if stub.model == "stays"]
    asked = 0
    stopped = False

    async def ask(n: int) -> None:
        nonlocal asked
        while not stopped:
            run = await subject.engine.infer("stays", {"x": np.full((1, 2), n, np.float32)})
            assert run["y"].tolist() == [[n, n]]
            asked += 1

    async def answered(more: int) -> None:
        wanted = asked + more
        while asked < wanted:
            await subject.engine.ready()

    async with asyncio.timeout(120), asyncio.TaskGroup() as asking:
        for n in range(4):
            asking.create_task(ask(n))
        await answered(20)
        os.kill(killed, signal.SIGKILL)
        await answered(20)
        stopped = True
    [replaced] = [stub.pid for stub in find_stubs(subject.triton.pid) if stub.model == "stays"]
    assert replaced != killed
    assert await subject.engine.ready()
