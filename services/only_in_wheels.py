"""A build hook: adds folders to a wheel, but not to an editable install.

    [tool.hatch.build.targets.wheel.hooks.custom]
    path = "only_in_wheels.py"
    folders = { "../model_repository" = "motioncast/model_repository" }

Hatch's own `force-include` also copies folders into the environment of an editable install, where
the copy hides the checkout's folder: changes to code and models there would have no effect.
"""

# mypy: ignore-errors
# hatchling is only in environments that build wheels.

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class OnlyInWheels(BuildHookInterface[Any]):
    """Puts `folders` into wheels that are not editable."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatch before it builds: version is `standard` or `editable`."""
        if version == "standard":
            build_data["force_include"].update(self.config["folders"])
