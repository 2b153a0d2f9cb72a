"""The model configurations that an engine serves: three models each, which fit together."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from motioncast.codec import TablesError
from motioncast.codec.tables_file import ModelTables
from motioncast.framing import FINDER, FINDER_SIZE, FramingMode
from motioncast.inference.engine import Engine
from motioncast.inference.tensors import fixed_length, input_of, output_of
from motioncast.sources import parse_weights
from motioncast.wire.errors import InvalidInputError, UnknownModelError

_log = logging.getLogger(__name__)

_PARTS: Final = ("keypoint", "predictor", "synthesis")
_COORDINATES: Final = 3  # x, y, intensity
_SPARE_BYTES: Final = 1024  # for what else a request says of each image, or set of keypoints
SHIPPED: Final = "face256"  # the configuration that comes with motioncast


@dataclass(frozen=True, slots=True)
class ModelSet:
    """One configuration: the names of its models and the sizes that they share.

    Attributes:
        name: For example "face256".
        height, width: Of its images, in pixels.
        keypoints: K, per image.
        noise_size: Noise values per step of the predictor.
        state: S, values of the predictor's state.
        framing: How pictures should be framed for it: the parameter `framing` of its keypoint
            model, where the engine has a face finder; else OFF.
        source_weights: Of its keypoints where a source is chosen (`motioncast.sources`): the
            parameter `source_weights` of its synthesis model; empty when all weigh the same.
        codec: The tables that its keypoints are coded with; None where it has none.
    """

    name: str
    height: int
    width: int
    keypoints: int
    noise_size: int
    state: int
    framing: FramingMode = FramingMode.OFF
    source_weights: tuple[float, ...] = ()
    codec: ModelTables | None = field(default=None, compare=False)

    @property
    def codec_digest(self) -> str:
        """SHA-256 of the codec tables, as `ModelInfo.codec_tables` has it; "" without them."""
        return self.codec.digest if self.codec else ""

    @property
    def keypoint_model(self) -> str:
        return f"{self.name}_keypoint"

    @property
    def predictor_model(self) -> str:
        return f"{self.name}_predictor"

    @property
    def synthesis_model(self) -> str:
        return f"{self.name}_synthesis"

    @property
    def reconstruct_ensemble(self) -> str:
        return f"{self.name}_reconstruct"

    @property
    def forecast_ensemble(self) -> str:
        return f"{self.name}_forecast"

    @property
    def motion_transfer_ensemble(self) -> str:
        return f"{self.name}_motion_transfer"

    @classmethod
    def of(cls, engine: Engine, name: str) -> ModelSet:
        """Reads the sizes from the models' metadata.

        Raises:
            InvalidInputError: One of the three models is missing or has another interface.
        """
        for part in _PARTS:
            if f"{name}_{part}" not in engine.models():
                raise InvalidInputError.of("repository", f"{name} has no model {name}_{part}")
        image = input_of(engine.metadata(f"{name}_keypoint"), "image", 4)
        found = output_of(engine.metadata(f"{name}_keypoint"), "keypoints", 3)
        noise = input_of(engine.metadata(f"{name}_predictor"), "noise", 3)
        state = input_of(engine.metadata(f"{name}_predictor"), "state", 2)
        sizes = cls(
            name=name,
            height=fixed_length(image, 1),
            width=fixed_length(image, 2),
            keypoints=fixed_length(found, 1),
            noise_size=fixed_length(noise, 2),
            state=fixed_length(state, 1),
            framing=_framing(engine, f"{name}_keypoint"),
            source_weights=_source_weights(engine, name, fixed_length(found, 1)),
            codec=_codec(engine, name, fixed_length(found, 1)),
        )
        sizes._check(engine)
        return sizes

    def _check(self, engine: Engine) -> None:
        """Checks the last axes of everything that passes between the three models."""
        points = (self.keypoints, _COORDINATES)
        pixels = (self.height, self.width, _COORDINATES)
        keypoint = engine.metadata(self.keypoint_model)
        predictor = engine.metadata(self.predictor_model)
        synthesis = engine.metadata(self.synthesis_model)
        for tensor, axes in (
            (input_of(keypoint, "image", 4), pixels),
            (output_of(keypoint, "keypoints", 3), points),
            (input_of(predictor, "keypoints", 4), points),
            (input_of(predictor, "observed", 2), ()),
            (output_of(predictor, "forecast", 4), points),
            (output_of(predictor, "next_state", 2), (self.state,)),
            (input_of(synthesis, "source_image", 4), pixels),
            (input_of(synthesis, "source_keypoints", 3), points),
            (input_of(synthesis, "driving_keypoints", 4), points),
            (output_of(synthesis, "image", 5), pixels),
        ):
            if tensor.shape[len(tensor.shape) - len(axes) :] != axes:
                raise InvalidInputError.of(
                    "repository",
                    f"the models of {self.name} do not fit one another: {tensor.name} has shape "
                    f"{list(tensor.shape)} where {list(axes)} should be its last axes",
                )


class Catalogue:
    """The configurations of an engine, one of which is the default.

    One that lacks a model, or whose models do not fit one another, is named in the log and passed
    over; the others are served. Which one is the default is a matter of names, not of what could
    be loaded: no other takes its place.

    Args:
        engine: An open engine.
        default_model: Name of the configuration for requests that name none. When None it is the
            shipped one where the engine offers it, which no model added beside it displaces, or
            the first of the alphabet that it offers.

    Raises:
        InvalidInputError: There is no configuration, or none that is whole.
        UnknownModelError: The engine offers no configuration of the default's name.
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
                "repository", f"no model is named <configuration>_{_PARTS[0]}"
            )
        if default_model is not None and default_model not in offered:
            raise self._unknown(f"{default_model!r} is not served")
        self.default_name = default_model or (SHIPPED if SHIPPED in offered else offered[0])
        if self.default_name not in self._sets:
            _log.error("the default, %s, is not served: not ready", self.default_name)

    @property
    def default(self) -> ModelSet:
        """The configuration for requests that name none; UnknownModelError when it is not whole."""
        return self.resolve(self.default_name)

    def all(self) -> tuple[ModelSet, ...]:
        """Returns every configuration that is served, the default first."""
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
        """What an image of any configuration takes in a request, as raw RGB or as a file."""
        sizes = (3 * models.height * models.width for models in self._sets.values())
        return 2 * max(sizes) + _SPARE_BYTES  # a file of noise is larger than its pixels

    @property
    def largest_keypoints_bytes(self) -> int:
        """What a set of keypoints of any configuration takes in a request."""
        sizes = (3 * 5 * models.keypoints for models in self._sets.values())  # not even packed
        return max(sizes) + _SPARE_BYTES

    @property
    def largest_state_bytes(self) -> int:
        """What one vector of the predictor's state takes in a request."""
        return max(4 * models.state for models in self._sets.values()) + _SPARE_BYTES

    async def ready(self) -> bool:
        """Returns whether a run could begin now, of the default too."""
        return self.default_name in self._sets and await self._engine.ready()

    def _unknown(self, problem: str) -> UnknownModelError:
        known = ", ".join(self._sets)
        return UnknownModelError(f"model: {problem}; there are: {known}", field="model")


def finds_faces(engine: Engine) -> bool:
    """Returns whether the engine has a face finder that takes what the framing gives it."""
    if FINDER not in engine.models():
        return False
    try:
        image = input_of(engine.metadata(FINDER), "image", 4)
        output_of(engine.metadata(FINDER), "faces", 3)
    except InvalidInputError as error:
        _log.error("the face finder is not served: %s", error)
        return False
    return image.shape[1:] == (FINDER_SIZE, FINDER_SIZE, 3)


def _framing(engine: Engine, model: str) -> FramingMode:
    wish = engine.metadata(model).parameters.get("framing", FramingMode.OFF)
    if wish not in [mode.value for mode in FramingMode]:
        _log.error("%s: framing is %r (expected one of %s)", model, wish, ", ".join(FramingMode))
        return FramingMode.OFF
    return FramingMode(wish) if finds_faces(engine) else FramingMode.OFF


def _source_weights(engine: Engine, name: str, keypoints: int) -> tuple[float, ...]:
    text = engine.metadata(f"{name}_synthesis").parameters.get("source_weights", "")
    try:
        return parse_weights(text, keypoints)
    except InvalidInputError as error:
        _log.error("%s_synthesis: all keypoints weigh the same: %s", name, error)
        return ()


def _codec(engine: Engine, name: str, keypoints: int) -> ModelTables | None:
    data = engine.metadata(f"{name}_keypoint").codec_file
    if not data:
        return None
    try:
        codec = ModelTables.of(data)
    except TablesError as error:
        _log.error("%s: keypoints are not coded: %s", name, error)
        return None
    if codec.tables.keypoints != keypoints:
        _log.error(
            "%s: keypoints are not coded: its tables are of %d keypoints, not of %d",
            name,
            codec.tables.keypoints,
            keypoints,
        )
        return None
    return codec


def _names(models: Iterable[str]) -> list[str]:
    """Returns the configurations that any of the models belongs to."""
    found = {
        model.removesuffix(f"_{part}")
        for model in models
        for part in _PARTS
        if model.endswith(f"_{part}")
    }
    return sorted(found)
