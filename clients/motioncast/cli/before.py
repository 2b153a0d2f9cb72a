"""Checks made before a service starts or a frame is decoded."""

from __future__ import annotations

import json
import os
from math import isfinite
from pathlib import Path
from typing import Final

from motioncast.cli.cast import CastOptions
from motioncast.cli.failures import CommandError
from motioncast.client import Mode
from motioncast.client.options import encode_config, quality_of
from motioncast.media import shown
from motioncast.sending import Gate

RESULTS: Final = (
    "comparison.mp4",
    "comparison.png",
    "full_picture.mp4",
    "report.html",
    "report.json",
    "result.mp4",
)


def check_options(options: CastOptions, *, transfer: bool, limit: int | None) -> None:
    """Raises InvalidRequestError or CommandError for an option that is invalid in any session."""
    encode_config(options.asked, Mode.TRANSFER if transfer else Mode.RECONSTRUCTION)
    quality_of(options.asked, options.encoding)
    if limit is not None and limit < 1:
        raise CommandError(f"limit: {limit} is below 1")
    if options.timeout is not None:
        check_timeout(options.timeout)


def check_timeout(seconds: float) -> None:
    """Raises CommandError for an invalid timeout."""
    if not seconds > 0:
        raise CommandError(f"timeout: {seconds:g} s is not above 0")
    if not isfinite(seconds):
        raise CommandError("timeout: must be a finite number of seconds; omit it for no limit")


def check_gate(pixels: float) -> None:
    """Raises CommandError for an invalid gate bound."""
    try:
        Gate(pixels)
    except ValueError as error:
        raise CommandError(str(error)) from error


def check_sources(given: int, gathered: int, send: str) -> None:
    """Raises CommandError if frames of the video cannot be sources."""
    if gathered > 1 and given:
        raise CommandError("sources: cannot be combined with --source")
    if gathered > 1 and send != "keypoints":
        raise CommandError(
            "sources: requires --send keypoints, because frames are picked by their keypoints"
        )


def check_keypoint_options(options: CastOptions, send: str) -> None:
    """Raises CommandError if an option concerns keypoints, or packets, and none are sent."""
    if options.gate_pixels is not None:
        check_gate(options.gate_pixels)
    if send != "keypoints":
        here = "requires --send keypoints"
        if options.keypoints is not None:
            raise CommandError(f"keypoints: {here}")
        if options.gate_pixels is not None:  # only the server sees the keypoints
            raise CommandError(f"gate: {here}")
        if options.packet_frames != 1:
            raise CommandError(f"packet-frames: {here}")
        if options.datagrams:
            raise CommandError(f"datagrams: {here}")
    elif options.keypoints == "floats" and options.packet_frames != 1:
        raise CommandError(
            "packet-frames: requires --keypoints coded; floats are sent frame by frame"
        )
    elif options.keypoints == "floats" and options.datagrams:
        raise CommandError("datagrams: requires --keypoints coded; floats are only sent over gRPC")


def check_json(path: Path | None) -> None:
    """Raises CommandError if the file cannot be written."""
    if path is None:
        return
    if path.is_dir():
        raise CommandError(f"json: {shown(path)} is a folder, not a file")
    there = next((one for one in path.absolute().parents if one.exists()), None)
    if there is not None and not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise CommandError(f"json: {shown(there)} is not a writable folder")


def holds_results_of(folder: Path, video: str) -> bool:
    """Returns whether a folder contains the results of a video of this name."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return bool(report["configuration"]["video"] == video)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def check_replaceable(folder: Path, *, force: bool) -> None:
    """Raises CommandError if a folder contains results and replacing them was not requested."""
    if not force and any((folder / name).exists() for name in RESULTS):
        raise CommandError(f"out: {shown(folder)} already contains results; --force replaces them")
