"""Measures what a frame takes before the first session, so that even that one can be judged.

As soon as sessions could begin, every slot concurrently makes some frames of an empty picture with
the default model. The first sessions are judged by this measurement, later ones by the sessions'
own groups. It is repeated when a session is refused and no group has measured its cost for a while.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Final

import numpy as np

from motioncast.orchestrator.configuration import SessionConfig, find_model
from motioncast.orchestrator.load import Load
from motioncast.orchestrator.pipeline import AT_ONCE, Pipeline, TakesTurns
from motioncast.orchestrator.sources import Sourced, Sources
from motioncast.orchestrator.stretch import Frame, Stretch
from motioncast.serving import Deadline
from motioncast.timeline.origin import Origin
from motioncast.timeline.pattern import Pattern
from motioncast.v1.motion_transfer_pb2 import TRANSFER_MODE_RECONSTRUCTION, SourceImage
from motioncast.wire.images import RGB8, encode_image

_STRETCHES: Final = 3  # per slot: while one is synthesised the next is detected
_FRAMES: Final = 8  # per stretch: as many as are merged when sessions wait
_LOOK_SECONDS: Final = 0.5  # between checks whether a session could begin
_MOST_SECONDS: Final = 60.0
_RATE: Final = 25.0
_NOBODY: Final = "server"

_log: Final = logging.getLogger(__name__)


async def keep_measured(pipeline: Pipeline, load: Load) -> None:
    """Measures at the start and whenever the load has become unsure; never returns."""
    while True:
        while not await pipeline.ready():
            await asyncio.sleep(_LOOK_SECONDS)
        try:
            await _measure(pipeline, load, load.unsure_of, Deadline.after(_MOST_SECONDS))
        except* Exception as errors:
            _log.warning("the cost of a frame could not be measured: %r", errors.exceptions[0])
        await load.unsure.wait()
        load.unsure.clear()


async def _measure(pipeline: Pipeline, load: Load, name: str, deadline: Deadline) -> None:
    model = find_model(name, await pipeline.list_models(deadline), "model")
    image = encode_image(np.full((model.height, model.width, 3), 128, np.uint8), RGB8)
    source = SourceImage(image=image)
    source.keypoints.CopyFrom(await pipeline.detect(model, image, deadline))
    sources = Sources.of(Sourced(source))
    config = SessionConfig(
        model, Pattern(1, 0), TRANSFER_MODE_RECONSTRUCTION, False, _RATE, None, RGB8, None
    )

    async def stretches(number: int) -> AsyncIterator[Stretch]:
        for one in range(number):
            frames = (Frame(Origin.OBSERVED, image),) * _FRAMES
            yield Stretch(one * _FRAMES, frames, time.perf_counter(), sources)

    async def make(number: int, work: TakesTurns) -> None:
        async for _ in pipeline.cast(stretches(number), config, deadline, work):
            pass

    async def measured() -> None:
        with load.session(_NOBODY, model.name, 0.0, resumed=True) as work:
            await make(_STRETCHES, work)

    await make(1, AT_ONCE)  # warm up, so that one-time work is not measured
    load.costs.forget(model.name)
    if not name:
        load.default_model = model.name
    async with asyncio.TaskGroup() as tasks:
        for _ in range(load.slots.slots):
            tasks.create_task(measured())
