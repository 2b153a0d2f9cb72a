"""The model configurations that an engine serves, and which of them is the default."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from motioncast.inference.engine import Engine
from motioncast.inference.model_set import PARTS, ModelSet
from motioncast.wire.errors import InvalidInputError, UnknownModelError

_log = logging.getLogger(__name__)

_SPARE_BYTES: Final = 1024  # for other fields of a request, per image or set of keypoints
SHIPPED: Final = "face256"  # the configuration that comes with motioncast


class Catalogue:
    """The configurations of an engine, one of which is the default.

    A configuration that lacks a model, or whose models do not fit together, is logged and skipped;
    the others are served. Names alone determine the default, not which models could be loaded: no
    other configuration takes its place.

    Args:
        engine: An open engine.
        default_model: Name of the configuration for requests that name none. None selects the
            shipped one if the engine has it, so that adding a model does not change the default, or
            else the alphabetically first.

    Raises:
        InvalidInputError: There is no configuration, or no complete one.
        UnknownModelError: The engine has no configuration with the default's name.
    """

    def __init__(self, engine: Engine, default_model: str | None = None) -> None:
        self._engine = engine
        self._sets: dict[str, ModelSet] = {}
        failures = []
        offered = _names(engine.offered())
        for name in offered:
            try:
                self._sets[name] = ModelSet.of(engine, name)
            except InvalidInputError as error:
                _log.error("the configuration %s is not served: %s", name, error)
                failures.append(error)
        if not self._sets and failures:
            raise failures[0]
        if not self._sets:
            raise InvalidInputError.of(
                "repository", f"no model is named <configuration>_{PARTS[0]}"
            )
        if default_model is not None and default_model not in offered:
            raise self._unknown(f"{default_model!r} is not served")
        self.default_name = default_model or (SHIPPED if SHIPPED in offered else offered[0])
        if self.default_name not in self._sets:
            _log.error(
                "the default configuration %s is not served: it is not ready", self.default_name
            )

    @property
    def default(self) -> ModelSet:
        """The configuration for requests that name none; UnknownModelError if it is incomplete."""
        return self.resolve(self.default_name)

    def all(self) -> tuple[ModelSet, ...]:
        """Returns every served configuration, the default first."""
        names = sorted(self._sets, key=lambda name: (name != self.default_name, name))
        return tuple(self._sets[name] for name in names)

    def resolve(self, name: str) -> ModelSet:
        """Returns the configuration of that name, the default for "".

        Raises:
            UnknownModelError: There is none.
        """
        wanted = name or self.default_name
        if wanted not in self._sets:
            problem = f"{wanted!r} is not served"
            if wanted == self.default_name:
                problem = f"{wanted!r}, the default, cannot be served; see the log"
            raise self._unknown(problem)
        return self._sets[wanted]

    @property
    def largest_image_bytes(self) -> int:
        """Largest size of an image in a request for any configuration, raw RGB or a file."""
        sizes = (3 * models.height * models.width for models in self._sets.values())
        return 2 * max(sizes) + _SPARE_BYTES  # a file of noise is larger than its pixels

    @property
    def largest_keypoints_bytes(self) -> int:
        """Largest size of a set of keypoints in a request for any configuration."""
        sizes = (3 * 5 * models.keypoints for models in self._sets.values())  # not packed
        return max(sizes) + _SPARE_BYTES

    @property
    def largest_state_bytes(self) -> int:
        """Largest size of one vector of the predictor's state in a request."""
        return max(4 * models.state for models in self._sets.values()) + _SPARE_BYTES

    async def ready(self) -> bool:
        """Returns whether a run could begin now, with the default configuration too."""
        return self.default_name in self._sets and await self._engine.ready()

    def _unknown(self, problem: str) -> UnknownModelError:
        known = ", ".join(self._sets)
        return UnknownModelError(f"model: {problem}; available: {known}", field="model")


def _names(models: Iterable[str]) -> list[str]:
    """Returns the configurations that any of the models belongs to."""
    found = {
        model.removesuffix(f"_{part}")
        for model in models
        for part in PARTS
        if model.endswith(f"_{part}")
    }
    return sorted(found)
