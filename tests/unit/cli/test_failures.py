"""Expected failures become one-sentence errors; bugs do not."""

from __future__ import annotations

import pytest

from motioncast.cli.failures import CommandError, explain
from motioncast.client import InvalidRequestError, MediaError, MissingExtraError
from motioncast.models.checkpoint import CheckpointError
from motioncast.wire.errors import UnavailableError


@pytest.mark.parametrize(
    "error",
    [
        CommandError("a sentence"),
        InvalidRequestError("a sentence", field="observed"),
        MediaError("a sentence"),
        MissingExtraError("a sentence"),
        CheckpointError("a sentence"),
        UnavailableError("a sentence"),
    ],
)
def test_what_was_foreseen_says_its_own_sentence(error: Exception) -> None:
    assert explain(error) == "a sentence"


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("onnxruntime.capi", "serve"),
        ("typer", "cli"),
        ("torch", "train"),
        ("onnx", "export"),
        ("motioncast.local", "serve"),
        ("motioncast.train.personal", "train"),
        ("motioncast.export", "export"),
    ],
)
def test_a_module_that_is_missing_names_the_extra_that_brings_it(module: str, extra: str) -> None:
    sentence = explain(ModuleNotFoundError("No module", name=module))
    assert sentence is not None
    assert f"pip install 'motioncast[{extra}]'" in sentence


def test_a_failure_of_the_system_names_the_file() -> None:
    assert explain(PermissionError(13, "Permission denied", "out")) == "out: Permission denied"


@pytest.mark.parametrize(
    "bug", [KeyError("x"), ZeroDivisionError(), ModuleNotFoundError("no", name="mine")]
)
def test_a_bug_has_no_sentence(bug: Exception) -> None:
    assert explain(bug) is None
