"""The catalogue lists an engine's configurations whose three models fit together."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.toy_models import build_toy_repository, write_model

from motioncast.inference import Catalogue, ModelSet, OnnxRuntimeEngine
from motioncast.wire.errors import InvalidInputError, UnknownModelError


async def catalogue(repository: Path, default_model: str | None = None) -> Catalogue:
    async with OnnxRuntimeEngine(repository) as engine:
        return Catalogue(engine, default_model)


async def test_the_sizes_are_read_from_the_models(toy_repository: Path) -> None:
    assert (await catalogue(toy_repository)).all() == (
        ModelSet(name="toy", height=16, width=16, keypoints=2, noise_size=2, state=13),
    )


@pytest.mark.parametrize(
    ("text", "count"), [("2", 2), ("1", 1), ("0", 0), ("3", 0), ("-1", 0), ("all", 0), ("", 0)]
)
async def test_a_model_says_how_many_of_its_keypoints_are_anchored(
    tmp_path: Path, text: str, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    repository = build_toy_repository(tmp_path)
    config = repository / "toy_keypoint" / "config.pbtxt"
    told = f'parameters {{ key: "anchored_keypoints" value {{ string_value: "{text}" }} }}\n'
    config.write_text((config.read_text() if config.exists() else "") + told)
    models = (await catalogue(repository)).default
    assert models.anchored_keypoints == models.message().anchored_keypoints == count
    refused = f"toy_keypoint: treating no keypoint as anchored: anchored_keypoints: {text!r} is not"
    assert (refused in caplog.text) == (text not in {"0", "1", "2"})


def test_the_models_are_named_after_the_configuration() -> None:
    models = ModelSet(name="lite128", height=128, width=128, keypoints=16, noise_size=16, state=9)
    names = (models.keypoint_model, models.predictor_model, models.synthesis_model)
    assert names == ("lite128_keypoint", "lite128_predictor", "lite128_synthesis")


async def test_the_first_of_the_alphabet_is_the_default_unless_another_is_named(
    tmp_path: Path,
) -> None:
    build_toy_repository(tmp_path, "beta")
    build_toy_repository(tmp_path, "alpha")
    by_itself, named = await catalogue(tmp_path), await catalogue(tmp_path, "beta")
    assert [models.name for models in by_itself.all()] == ["alpha", "beta"]
    assert [models.name for models in named.all()] == ["beta", "alpha"]
    assert named.resolve("") == named.resolve("beta")
    assert named.resolve("alpha").name == "alpha"


async def test_a_model_added_beside_the_shipped_one_is_not_the_default(tmp_path: Path) -> None:
    for name in ("lite128", "face256", "akiyo"):
        build_toy_repository(tmp_path, name)
    served = [models.name for models in (await catalogue(tmp_path)).all()]
    assert served == ["face256", "akiyo", "lite128"]


async def test_an_unknown_configuration_is_told_with_those_that_are_served(
    toy_repository: Path,
) -> None:
    served = await catalogue(toy_repository)
    with pytest.raises(
        UnknownModelError, match=r"^model: 'lite9' is not served; available: toy$"
    ) as got:
        served.resolve("lite9")
    assert got.value.field == "model"
    with pytest.raises(UnknownModelError):
        await catalogue(toy_repository, "lite9")


async def test_a_model_of_no_configuration_is_passed_over(tmp_path: Path) -> None:
    build_toy_repository(tmp_path)
    write_model(tmp_path, "other", "other (float[N] x) => (float[N] y) { y = Identity(x) }")
    assert [models.name for models in (await catalogue(tmp_path)).all()] == ["toy"]


async def test_a_repository_without_a_configuration_is_told(tmp_path: Path) -> None:
    write_model(tmp_path, "other", "other (float[N] x) => (float[N] y) { y = Identity(x) }")
    with pytest.raises(InvalidInputError, match=r"^repository: no model is named <configuration>_"):
        await catalogue(tmp_path)


@pytest.mark.parametrize("part", ["keypoint", "predictor", "synthesis"])
async def test_a_configuration_that_lacks_a_model_is_told(tmp_path: Path, part: str) -> None:
    build_toy_repository(tmp_path)
    shutil.rmtree(tmp_path / f"toy_{part}")
    with pytest.raises(InvalidInputError, match=rf"^repository: toy has no model toy_{part}$"):
        await catalogue(tmp_path)


_IMAGES_TO_POINTS = """
    detector (uint8[B, 16, 16, 3] image) => (float[B, POINTS, 3] NAME)
    {
        batch = Shape<start = 0, end = 1>(image)
        rest = Constant<value = int64[2] {POINTS, 3}>()
        shape = Concat<axis = 0>(batch, rest)
        NAME = ConstantOfShape(shape)
    }
"""


@pytest.mark.parametrize(
    ("name", "points", "sentence"),
    [
        ("landmarks", "2", r"the model toy_keypoint has no output keypoints with 3 axes$"),
        ("keypoints", "5", r"the models of toy do not match: keypoints has shape "),
    ],
)
async def test_models_that_do_not_fit_one_another_are_told(
    tmp_path: Path, name: str, points: str, sentence: str
) -> None:
    build_toy_repository(tmp_path)
    text = _IMAGES_TO_POINTS.replace("POINTS", points).replace("NAME", name)
    write_model(tmp_path, "toy_keypoint", text, version=2)
    with pytest.raises(InvalidInputError, match=rf"^repository: {sentence}"):
        await catalogue(tmp_path)


async def test_a_configuration_that_is_not_whole_leaves_the_others(tmp_path: Path) -> None:
    build_toy_repository(tmp_path, "alpha")
    build_toy_repository(tmp_path, "beta")
    shutil.rmtree(tmp_path / "alpha_synthesis")
    assert [models.name for models in (await catalogue(tmp_path)).all()] == ["beta"]


@pytest.mark.parametrize(
    ("broken", "named"), [("face256", None), ("lite128", "lite128"), ("akiyo", "akiyo")]
)
async def test_no_other_takes_the_place_of_a_default_that_cannot_be_loaded(
    tmp_path: Path, broken: str, named: str | None
) -> None:
    for name in ("akiyo", "face256", "lite128"):
        build_toy_repository(tmp_path, name)
    (tmp_path / f"{broken}_synthesis" / "1" / "model.onnx").write_bytes(b"torn")
    async with OnnxRuntimeEngine(tmp_path) as engine:
        served = Catalogue(engine, named)
        assert not await served.ready()
    with pytest.raises(UnknownModelError, match=f"^model: '{broken}', the default, cannot be ser"):
        served.resolve("")
    with pytest.raises(UnknownModelError):
        served.resolve(broken)
    others = [name for name in ("akiyo", "face256", "lite128") if name != broken]
    assert [models.name for models in served.all()] == others
    assert [served.resolve(name).name for name in others] == others


async def test_a_catalogue_is_ready_with_its_engine(toy_repository: Path) -> None:
    async with OnnxRuntimeEngine(toy_repository) as engine:
        served = Catalogue(engine)
        assert await served.ready()
    assert not await served.ready()
