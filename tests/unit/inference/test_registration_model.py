"""The catalogue knows the optional registration model of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.toy_models import build_toy_repository
from support.toy_registration import write_registration

from motioncast.inference import Catalogue, OnnxRuntimeEngine, default_repository
from motioncast.wire.errors import InvalidInputError


async def catalogue(repository: Path) -> Catalogue:
    async with OnnxRuntimeEngine(repository) as engine:
        return Catalogue(engine)


async def test_a_configuration_with_a_registration_model_registers(tmp_path: Path) -> None:
    write_registration(build_toy_repository(tmp_path))
    (models,) = (await catalogue(tmp_path)).all()  # the model is no configuration by itself
    assert models.name == "toy"
    assert models.registration_model == "toy_registration"
    assert models.message().registers


async def test_a_configuration_without_one_does_not_register(toy_repository: Path) -> None:
    models = (await catalogue(toy_repository)).default
    assert models.registration_model is None
    assert not models.message().registers


async def test_the_model_of_one_configuration_is_not_used_by_another(tmp_path: Path) -> None:
    build_toy_repository(tmp_path, "toy")
    build_toy_repository(tmp_path, "toy_too")
    write_registration(tmp_path)
    served = {
        models.name: models.message().registers for models in (await catalogue(tmp_path)).all()
    }
    assert served == {"toy": True, "toy_too": False}


async def test_of_the_shipped_configurations_the_face_model_registers() -> None:
    served = (await catalogue(default_repository())).all()
    registers = {models.name for models in served if models.message().registers}
    assert "face256" in registers
    assert not registers & {"lite128", "lite128_bridge"}


@pytest.mark.parametrize(
    ("keypoints", "output", "sentence"),
    [
        (
            3,
            "registered",
            r"the models of toy do not match: source_keypoints has shape \[1, 3, 3\]",
        ),
        (2, "corrected", r"the model toy_registration has no output registered with 3 axes$"),
    ],
)
async def test_a_registration_model_that_does_not_fit_is_told(
    tmp_path: Path, keypoints: int, output: str, sentence: str
) -> None:
    write_registration(build_toy_repository(tmp_path), keypoints, output)
    with pytest.raises(InvalidInputError, match=rf"^repository: {sentence}"):
        await catalogue(tmp_path)


async def test_a_registration_model_that_cannot_be_loaded_is_told_and_leaves_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_toy_repository(tmp_path, "alpha")
    write_registration(build_toy_repository(tmp_path, "toy"))
    (tmp_path / "toy_registration" / "1" / "model.onnx").write_bytes(b"torn")
    served = (await catalogue(tmp_path)).all()
    assert [models.name for models in served] == ["alpha"]
    assert "toy has a model toy_registration that cannot run" in caplog.text
