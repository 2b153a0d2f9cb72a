"""The engines that a command can be told to use."""

from __future__ import annotations

from enum import StrEnum


class EngineName(StrEnum):
    """What can run the models on this machine."""

    INPROCESS = "inprocess"
    TRITON = "triton"
