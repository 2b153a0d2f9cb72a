"""A model configuration as an engine serves it: its matching models, and their properties.

Sizes come from the models' tensors; other properties from the `parameters` in a model's
config.pbtxt. An invalid parameter is logged and ignored.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from motioncast.codec import TablesError
from motioncast.codec.tables_file import ModelTables
from motioncast.framing import FINDER, FINDER_SIZE, FramingMode
from motioncast.inference.engine import Engine
from motioncast.inference.tensors import fixed_length, input_of, output_of
from motioncast.sources import parse_weights
from motioncast.v1.common_pb2 import ModelInfo
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.framing import encode_mode

_log = logging.getLogger(__name__)

ANCHORED: Final = "anchored_keypoints"  # parameter of a keypoint model
PARTS: Final = ("keypoint", "predictor", "synthesis")
_COORDINATES: Final = 3  # x, y, intensity


@dataclass(frozen=True, slots=True)
class ModelSet:
    """One configuration: the names of its models and the sizes that they share.

    Attributes:
        name: For example "face256".
        height, width: Size of its images, in pixels.
        keypoints: K, per image.
        noise_size: Noise values per step of the predictor.
        state: S, values of the predictor's state.
        framing: How pictures should be framed for it: the parameter `framing` of its keypoint model
            if the engine has a face finder, otherwise OFF.
        source_weights: Weights of its keypoints in the choice of a source (`motioncast.sources`):
            the parameter `source_weights` of its synthesis model; empty when all are equal.
        anchored_keypoints: Number of its leading keypoints that mark the same points on every face:
            the parameter `anchored_keypoints` of its keypoint model.
        registration_model: Name of the model that registers keypoints with a source image; None if
            it has none.
        codec: The tables that code its keypoints; None if it has none.
    """

    name: str
    height: int
    width: int
    keypoints: int
    noise_size: int
    state: int
    framing: FramingMode = FramingMode.OFF
    source_weights: tuple[float, ...] = ()
    anchored_keypoints: int = 0
    registration_model: str | None = None
    codec: ModelTables | None = field(default=None, compare=False)

    @property
    def codec_digest(self) -> str:
        """SHA-256 of the codec tables, for `ModelInfo.codec_tables`; "" without tables."""
        return self.codec.digest if self.codec else ""

    def message(self) -> ModelInfo:
        """Describes the configuration to a client."""
        return ModelInfo(
            name=self.name,
            height=self.height,
            width=self.width,
            keypoints=self.keypoints,
            framing=encode_mode(self.framing),
            source_weights=self.source_weights,
            codec_tables=self.codec_digest,
            anchored_keypoints=self.anchored_keypoints,
            registers=self.registration_model is not None,
        )

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
            InvalidInputError: One of the three models is missing, or one of them or of an optional
                registration model has another interface; or that model is offered but cannot run.
        """
        for part in PARTS:
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
            anchored_keypoints=_anchored(engine, name, fixed_length(found, 1)),
            registration_model=_registration(engine, name),
            codec=_codec(engine, name, fixed_length(found, 1)),
        )
        sizes._check(engine)
        return sizes

    def _check(self, engine: Engine) -> None:
        """Checks the last axes of all tensors that the models exchange."""
        points = (self.keypoints, _COORDINATES)
        pixels = (self.height, self.width, _COORDINATES)
        keypoint = engine.metadata(self.keypoint_model)
        predictor = engine.metadata(self.predictor_model)
        synthesis = engine.metadata(self.synthesis_model)
        exchanged = [
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
        ]
        if self.registration_model is not None:
            registration = engine.metadata(self.registration_model)
            exchanged += [
                (input_of(registration, "source_image", 4), pixels),
                (input_of(registration, "source_keypoints", 3), points),
                (input_of(registration, "image", 4), pixels),
                (input_of(registration, "keypoints", 3), points),
                (output_of(registration, "registered", 3), points),
            ]
        for tensor, axes in exchanged:
            if tensor.shape[len(tensor.shape) - len(axes) :] != axes:
                raise InvalidInputError.of(
                    "repository",
                    f"the models of {self.name} do not match: {tensor.name} has shape "
                    f"{list(tensor.shape)}, but its last axes should be {list(axes)}",
                )


def finds_faces(engine: Engine) -> bool:
    """Returns whether the engine has a face finder with the input that framing provides."""
    if FINDER not in engine.models():
        return False
    try:
        image = input_of(engine.metadata(FINDER), "image", 4)
        output_of(engine.metadata(FINDER), "faces", 3)
    except InvalidInputError as error:
        _log.error("the face finder is not served: %s", error)
        return False
    return image.shape[1:] == (FINDER_SIZE, FINDER_SIZE, 3)


def parse_anchored(text: str, keypoints: int) -> int:
    """Parses the number of anchored keypoints from the parameter of that name.

    Raises InvalidInputError unless it is an integer from 0 to `keypoints`.
    """
    if not (text.isascii() and text.isdecimal() and int(text[:9]) <= keypoints):
        problem = f"{text!r} is not a whole number from 0 to {keypoints}"
        raise InvalidInputError.of(ANCHORED, problem)
    return int(text)


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
        _log.error("%s_synthesis: weighting all keypoints equally: %s", name, error)
        return ()


def _anchored(engine: Engine, name: str, keypoints: int) -> int:
    text = engine.metadata(f"{name}_keypoint").parameters.get(ANCHORED, "0")
    try:
        return parse_anchored(text, keypoints)
    except InvalidInputError as error:
        _log.error("%s_keypoint: treating no keypoint as anchored: %s", name, error)
        return 0


def _registration(engine: Engine, name: str) -> str | None:
    model = f"{name}_registration"
    if model not in engine.offered():
        return None
    if model not in engine.models():
        raise InvalidInputError.of("repository", f"{name} has a model {model} that cannot run")
    return model


def _codec(engine: Engine, name: str, keypoints: int) -> ModelTables | None:
    data = engine.metadata(f"{name}_keypoint").codec_file
    if not data:
        return None
    try:
        codec = ModelTables.of(data)
    except TablesError as error:
        _log.error("%s: keypoint coding is disabled: %s", name, error)
        return None
    if codec.tables.keypoints != keypoints:
        _log.error(
            "%s: keypoint coding is disabled: its tables are for %d keypoints, not %d",
            name,
            codec.tables.keypoints,
            keypoints,
        )
        return None
    return codec
