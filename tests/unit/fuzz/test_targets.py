"""The fuzzing targets accept their own seeds and properly refuse earlier findings."""

from __future__ import annotations

import random
from importlib import import_module
from pathlib import Path

import pytest
from fuzz.fuzzing import Target, coverage, mutate

from motioncast.inference.kserve.config import read_config
from motioncast.wire.errors import InvalidInputError

TARGETS = ("wire", "bitstream", "image", "video")  # settings imports torch, and mutes the log


def target(name: str) -> Target:
    found: Target = import_module(f"fuzz.{name}").TARGET
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_taken_and_every_damaged_one_judged(name: str) -> None:
    attacked, chance = target(name), random.Random(0)
    for seed in attacked.seeds():
        assert len(seed) <= attacked.longest
        assert attacked.attack(seed)
        attacked.attack(mutate(seed, chance))


def test_a_description_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.pbtxt").write_bytes(b"name: \xb3")
    with pytest.raises(InvalidInputError, match="does not describe a model"):
        read_config(tmp_path, "model")


def test_the_last_word_of_the_fuzzer_counts() -> None:
    text = "#16 pulse  cov: 125 ft: 193 corp: 9/3763b\n#45 INITED cov: 138 ft: 285 corp: 16/1Kb"
    assert coverage(text) == {"edges": 138, "features": 285, "corpus": 16}
    assert coverage("nothing") == {"edges": 0, "features": 0, "corpus": 0}
