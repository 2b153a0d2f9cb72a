"""A build hook: what a wheel holds besides its own folder, and an editable install does not.

    [tool.hatch.build.targets.wheel.hooks.custom]
    path = "only_in_wheels.py"
    folders = { "../model_repository" = "motioncast/model_repository" }

Hatch's own `force-include` copies folders into the environment of an editable install too, where
the copy hides the checkout's: code and models that are changed there would seem not to be.
"""

# mypy: ignore-errors
# hatchling is in the environments that build wheels, and in no other.

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class OnlyInWheels(BuildHookInterface[Any]):
    """Puts `folders` into wheels that are not editable."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Is called by hatch before it builds: version is `standard` or `editable`."""
        if version == "standard":
            build_data["force_include"].update(self.config["folders"])
