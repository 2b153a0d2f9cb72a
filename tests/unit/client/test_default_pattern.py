"""The default pattern is the same in the API, the SDK and the command line.

The services' default is tested on a running one: integration/orchestrator/test_stream.py.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Final

import motioncast.cli.commands.stream as command
from motioncast.cli.cast import CastOptions
from motioncast.client import Mode
from motioncast.client.options import encode_config

ROOT: Final = Path(__file__).parents[3]
EVERY_FRAME: Final = (1, 0)


def test_the_contract_says_it() -> None:
    text = (ROOT / "proto" / "motioncast" / "v1" / "motion_transfer.proto").read_text()
    said = [
        re.search(rf"Default (\d+)\.\n  optional uint32 {field} =", text)
        for field in ("observed_frames", "predicted_frames")
    ]
    assert tuple(int(match[1]) for match in said if match) == EVERY_FRAME


def test_the_sdk_sends_it() -> None:
    config = encode_config({}, Mode.RECONSTRUCTION)
    assert (config.observed_frames, config.predicted_frames) == EVERY_FRAME


def test_the_command_line_has_it() -> None:
    parameters = inspect.signature(command.stream).parameters
    assert tuple(parameters[name].default for name in ("observed", "predicted")) == EVERY_FRAME
    assert (CastOptions().observed, CastOptions().predicted) == EVERY_FRAME


def test_the_documents_say_it() -> None:
    sdk = (ROOT / "docs" / "sdk.md").read_text()
    assert "| `observed`, `predicted` | 1, 0 |" in sdk
