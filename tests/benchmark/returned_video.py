"""Measures the size of returned frames, as pictures and as one H.264 stream.

    python tests/benchmark/returned_video.py [--frames 75]

Streams the bundled interview through the default model, sending every frame, once for each way of
returning frames. Bytes are those of whole messages with pictures only; PSNR is relative to frames
returned raw.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Annotated, Any

import numpy as np
import typer

from motioncast.cli.bundled import bundled_clip
from motioncast.client import connect
from motioncast.client.video import read_video
from motioncast.local import LocalServices, LocalSettings

WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("raw", {"output": "rgb8"}),
    ("PNG", {"output": "png"}),
    ("JPEG", {"output": "jpeg"}),
    *((f"H.264, crf {crf}", {"output": "h264", "output_crf": crf}) for crf in (18, 23, 28, 33)),
)


async def measure(count: int) -> None:
    with closing(read_video(bundled_clip(), None, limit=count)) as video:
        pictures, rate = list(video.frames), video.frame_rate
    raw: list[np.ndarray] = []
    print(f"{len(pictures)} frames at {rate:g} a second\n")
    print("| returned as | bytes a frame | kbit/s | PSNR against raw, dB |\n|---|---:|---:|---:|")
    async with LocalServices(LocalSettings()) as local, connect(local.target) as service:
        for name, options in WAYS:
            stream = service.stream(
                pictures, frame="auto", frame_rate=rate, pictures_only=True, **options
            )
            frames = [frame.image async for frame in stream]
            raw = raw or frames
            size = stream.report.bytes.results / len(frames)
            errors = [
                np.mean((one.astype(float) - exact) ** 2)
                for one, exact in zip(frames, raw, strict=True)
            ]
            finite = [10 * np.log10(255**2 / error) for error in errors if error]
            shown = f"{np.mean(finite):.2f}" if finite else ""
            print(f"| {name} | {size:,.0f} | {8 * size * rate / 1e3:,.1f} | {shown} |", flush=True)


def main(frames: Annotated[int, typer.Option(min=2, help="Of the video.")] = 75) -> None:
    """Prints a table."""
    asyncio.run(measure(frames))


if __name__ == "__main__":
    typer.run(main)
